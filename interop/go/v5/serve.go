package main

import (
	"context"
	"fmt"
	"io"

	"go-micro.dev/v5/client"
	"go-micro.dev/v5/errors"
	"go-micro.dev/v5/metadata"
	"go-micro.dev/v5/server"
	"micro.test/greeter"
)

// Greeter adds what a version has types of its own for.
type Greeter struct {
	*greeter.Service
}

// Count counts.
func (g *Greeter) Count(ctx context.Context, stream server.Stream) error {
	request := &greeter.CountRequest{}
	if err := stream.Recv(request); err != nil {
		return err
	}
	return greeter.CountTo(g.Service, request, func(reply any) error { return stream.Send(reply) })
}

// Chat echoes.
func (g *Greeter) Chat(ctx context.Context, stream server.Stream) error {
	for {
		line := &greeter.Chat{}
		if err := stream.Recv(line); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.Send(&greeter.Chat{Text: "echo " + line.Text}); err != nil {
			return err
		}
	}
}

func metadataOf(ctx context.Context) map[string]string {
	md, _ := metadata.FromContext(ctx)
	return md
}

func serve(f *greeter.Flags) (string, func() error, error) {
	p, err := open(f)
	if err != nil {
		return "", nil, err
	}
	options := []server.Option{
		server.Name(f.Name), server.Address(f.Listen), server.Advertise(f.Advertise),
		server.Registry(p.registry), server.Broker(p.broker), server.Transport(p.transport),
		server.Metadata(f.Metadata), server.RegisterTTL(f.RegisterTTL), server.RegisterInterval(f.RegisterInterval),
	}
	if f.ID != "" {
		options = append(options, server.Id(f.ID))
	}
	var s server.Server
	switch f.Protocol {
	case "mucp":
		s = server.NewRPCServer(options...)
	case "grpc":
		if s, err = newGRPCServer(options...); err != nil {
			return "", nil, err
		}
	default:
		return "", nil, fmt.Errorf("protocol `%s` is not built", f.Protocol)
	}
	c, err := dial(f, p)
	if err != nil {
		return "", nil, err
	}
	service := greeter.New(greeter.Hooks{
		Error:    errors.New,
		Metadata: metadataOf,
		Publish: func(ctx context.Context, topic string, event *greeter.Event) error {
			ctx = metadata.Set(ctx, "X-Event-Key", "theirs")
			return c.Publish(ctx, c.NewMessage(topic, event, client.WithMessageContentType(f.ContentType)))
		},
	})
	if err := s.Handle(s.NewHandler(&Greeter{service})); err != nil {
		return "", nil, err
	}
	if err := s.Subscribe(s.NewSubscriber(greeter.Topic, greeter.Subscriber(service))); err != nil {
		return "", nil, err
	}
	if err := s.Start(); err != nil {
		return "", nil, err
	}
	return s.Options().Address, s.Stop, nil
}
