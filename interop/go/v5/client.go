package main

import (
	"context"
	"fmt"
	"time"

	"go-micro.dev/v5/broker"
	"go-micro.dev/v5/client"
	"go-micro.dev/v5/errors"
	"go-micro.dev/v5/metadata"
	"go-micro.dev/v5/selector"
	"micro.test/greeter"
)

type caller struct {
	client.Client
	broker broker.Broker
	flags  *greeter.Flags
}

// dial makes a client of go-micro.
func dial(f *greeter.Flags, p parts) (client.Client, error) {
	options := []client.Option{
		client.Registry(p.registry), client.Broker(p.broker), client.Transport(p.transport),
		client.Selector(selector.NewSelector(selector.Registry(p.registry))),
		client.ContentType(f.ContentType), client.RequestTimeout(f.Timeout),
		// A case is about one answer: a second attempt would hide the first.
		client.Retries(0),
	}
	switch f.Protocol {
	case "mucp":
		return client.NewClient(options...), nil
	case "grpc":
		return newGRPCClient(options...)
	}
	return nil, fmt.Errorf("protocol `%s` is not built", f.Protocol)
}

func newClient(f *greeter.Flags) (greeter.Client, error) {
	p, err := open(f)
	if err != nil {
		return nil, err
	}
	c, err := dial(f, p)
	// A registry that waits 100 ms for answers may hear none on a busy machine, and a client believes it for long.
	for begun := time.Now(); f.At == "" && time.Since(begun) < f.Timeout; time.Sleep(100 * time.Millisecond) {
		if found, err := p.registry.GetService(f.Name); err == nil && len(found) > 0 {
			break
		}
	}
	return &caller{c, p.broker, f}, err
}

func (c *caller) options() []client.CallOption {
	if c.flags.At == "" {
		return nil
	}
	return []client.CallOption{client.WithAddress(c.flags.At)}
}

func (c *caller) Call(ctx context.Context, endpoint string, request, reply any) error {
	r := c.NewRequest(c.flags.Name, endpoint, request, client.WithContentType(c.flags.ContentType))
	return c.Client.Call(ctx, r, reply, c.options()...)
}

func (c *caller) Stream(ctx context.Context, endpoint string, first any) (greeter.Stream, error) {
	r := c.NewRequest(c.flags.Name, endpoint, first, client.StreamingRequest(), client.WithContentType(c.flags.ContentType))
	return c.Client.Stream(ctx, r, c.options()...)
}

func (c *caller) Publish(ctx context.Context, topic string, event *greeter.Event) error {
	return c.Client.Publish(ctx, c.NewMessage(topic, event, client.WithMessageContentType(c.flags.ContentType)))
}

func (c *caller) Subscribe(topic string, handle func(map[string]string, []byte)) (func() error, error) {
	if err := c.broker.Connect(); err != nil {
		return nil, err
	}
	subscriber, err := c.broker.Subscribe(topic, func(event broker.Event) error {
		handle(event.Message().Header, event.Message().Body)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return subscriber.Unsubscribe, nil
}

func (c *caller) With(ctx context.Context, entries map[string]string) context.Context {
	return metadata.NewContext(ctx, entries)
}

func (c *caller) Error(err error) (string, int32, string) {
	parsed := errors.Parse(err.Error())
	return parsed.Id, parsed.Code, parsed.Detail
}
