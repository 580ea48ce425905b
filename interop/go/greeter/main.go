// Package greeter is the service that every peer of an interop run offers, and the client that checks it;
// what depends on the version of go-micro is given by the program that uses it.
package greeter

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Library is a version of go-micro.
type Library struct {
	// Serve starts the server; it gives the address and what stops it.
	Serve func(*Flags) (address string, stop func() error, err error)
	// Client makes the calling side.
	Client func(*Flags) (Client, error)
	// Get is what the registry has of the service.
	Get func(*Flags) (any, error)
}

// Client is the calling side of a version of go-micro.
type Client interface {
	Call(ctx context.Context, endpoint string, request, reply any) error
	// Stream opens a stream; first is what a version sends with it, if it sends something.
	Stream(ctx context.Context, endpoint string, first any) (Stream, error)
	Publish(ctx context.Context, topic string, event *Event) error
	Subscribe(topic string, handle func(header map[string]string, body []byte)) (stop func() error, err error)
	With(ctx context.Context, metadata map[string]string) context.Context
	// Error takes an error apart.
	Error(err error) (id string, code int32, detail string)
}

// Stream is a stream of a version of go-micro.
type Stream interface {
	Send(any) error
	Recv(any) error
	Close() error
}

// Main is the program.
func Main(library Library) {
	usage := fmt.Errorf("usage: peer server|client|get [flags]")
	if len(os.Args) < 2 {
		fail(usage)
	}
	flags, err := parse(os.Args[2:])
	if err != nil {
		fail(err)
	}
	switch os.Args[1] {
	case "server":
		err = serve(library, flags)
	case "client":
		var client Client
		if client, err = library.Client(flags); err == nil && !check(flags, client) {
			os.Exit(1)
		}
	case "get":
		var found any
		if found, err = library.Get(flags); err == nil {
			err = json.NewEncoder(os.Stdout).Encode(found)
		}
	default:
		err = usage
	}
	if err != nil {
		fail(err)
	}
}

func serve(library Library, flags *Flags) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	address, stop, err := library.Serve(flags)
	if err != nil {
		return err
	}
	fmt.Println("ready", address)
	<-signals
	return stop()
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "peer:", err)
	os.Exit(2)
}
