//go:build nogrpc

// A program that links v5's gRPC server or client cannot use its etcd registry: they replace the codec of all that
// speaks gRPC in the process, etcd's client too.

package main

import (
	"errors"

	"go-micro.dev/v5/client"
	"go-micro.dev/v5/server"
)

var errNoGRPC = errors.New("protocol `grpc` is not built")

func newGRPCServer(...server.Option) (server.Server, error) {
	return nil, errNoGRPC
}

func newGRPCClient(...client.Option) (client.Client, error) {
	return nil, errNoGRPC
}
