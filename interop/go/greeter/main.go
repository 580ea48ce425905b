// Package greeter is the service that every peer of an interop run offers, and the client that checks it;
// what depends on the version of go-micro is given by the program that uses it.
package greeter

import (
	"context"
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
	if len(os.Args) < 2 || os.Args[1] != "server" && os.Args[1] != "client" {
		fail(fmt.Errorf("usage: peer server|client [flags]"))
	}
	flags, err := parse(os.Args[2:])
	if err != nil {
		fail(err)
	}
	if os.Args[1] == "client" {
		client, err := library.Client(flags)
		if err != nil {
			fail(err)
		}
		if !check(flags, client) {
			os.Exit(1)
		}
		return
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	address, stop, err := library.Serve(flags)
	if err != nil {
		fail(err)
	}
	fmt.Println("ready", address)
	<-signals
	if err := stop(); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "peer:", err)
	os.Exit(2)
}
