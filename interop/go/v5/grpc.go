//go:build !nogrpc

package main

import (
	"go-micro.dev/v5/client"
	grpcclient "go-micro.dev/v5/client/grpc"
	"go-micro.dev/v5/server"
	grpcserver "go-micro.dev/v5/server/grpc"
)

func newGRPCServer(options ...server.Option) (server.Server, error) {
	return grpcserver.NewServer(options...), nil
}

func newGRPCClient(options ...client.Option) (client.Client, error) {
	return grpcclient.NewClient(options...), nil
}
