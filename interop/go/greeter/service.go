package greeter

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Topic is the one whose events the server remembers.
const Topic = "greeter.events"

// Service has the handlers that are the same in every version; a version adds those of streams.
type Service struct {
	hooks  Hooks
	lock   sync.Mutex
	names  []string
	header map[string]string
}

// Hooks are what a handler needs of its version of go-micro.
type Hooks struct {
	Error    func(id, detail string, code int32) error
	Metadata func(context.Context) map[string]string
	Publish  func(ctx context.Context, topic string, event *Event) error
}

// New makes a service.
func New(hooks Hooks) *Service {
	return &Service{hooks: hooks}
}

// Subscriber remembers the events of a service.
func Subscriber(s *Service) func(context.Context, *Event) error {
	return func(ctx context.Context, event *Event) error {
		s.lock.Lock()
		defer s.lock.Unlock()
		s.names = append(s.names, event.Name)
		s.header = s.hooks.Metadata(ctx)
		return nil
	}
}

// Failure is the error of a kind.
func Failure(s *Service, kind string) error {
	failed := func(code int32, detail string) error {
		return s.hooks.Error("greeter.fail", detail, code)
	}
	switch kind {
	case "":
		return nil
	case "bad":
		return failed(400, "bad <input> & \"quotes\"")
	case "unauthorized":
		return failed(401, "who are you")
	case "forbidden":
		return failed(403, "not you")
	case "notfound":
		return failed(404, "no such thing")
	case "conflict":
		return failed(409, "twice")
	case "internal":
		return failed(500, "broken")
	case "teapot":
		return failed(418, "short and stout")
	case "plain":
		return errors.New("plain failure")
	case "newline":
		return errors.New("line one\nline two")
	}
	return failed(400, "no such kind of failure")
}

// CountTo answers Greeter.Count.
func CountTo(s *Service, request *CountRequest, send func(any) error) error {
	for n := int32(1); n <= request.To; n++ {
		if n > 1 && !request.Burst {
			time.Sleep(10 * time.Millisecond)
		}
		if err := send(&CountReply{N: n}); err != nil {
			return err
		}
	}
	return Failure(s, request.Fail)
}

// Hello greets.
func (s *Service) Hello(ctx context.Context, request *HelloRequest, reply *HelloReply) error {
	reply.Msg = "Hello " + request.Name
	return nil
}

// Fail fails as it is told.
func (s *Service) Fail(ctx context.Context, request *FailRequest, reply *Empty) error {
	return Failure(s, request.Kind)
}

// Echo gives what came with the call.
func (s *Service) Echo(ctx context.Context, request *Empty, reply *EchoReply) error {
	reply.Metadata = s.hooks.Metadata(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		reply.Timeout = int32(time.Until(deadline).Milliseconds())
	}
	return nil
}

// Sleep waits.
func (s *Service) Sleep(ctx context.Context, request *Sleep, reply *Sleep) error {
	time.Sleep(time.Duration(request.Ms) * time.Millisecond)
	reply.Ms = request.Ms
	return nil
}

// Types gives back what it is given.
func (s *Service) Types(ctx context.Context, request *Types, reply *Types) error {
	reply.FullName, reply.Big, reply.Color = request.FullName, request.Big, request.Color
	reply.Data, reply.Tags, reply.Counts = request.Data, request.Tags, request.Counts
	reply.Ok, reply.Ratio, reply.Nothing = request.Ok, request.Ratio, request.Nothing
	return nil
}

// Plain gives back what it is given.
func (s *Service) Plain(ctx context.Context, request *Plain, reply *Plain) error {
	*reply = *request
	return nil
}

// Events gives the events that came.
func (s *Service) Events(ctx context.Context, request *Empty, reply *EventsReply) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	reply.Names = append([]string(nil), s.names...)
	reply.Metadata = s.header
	return nil
}

// Publish publishes an event.
func (s *Service) Publish(ctx context.Context, request *PublishRequest, reply *Empty) error {
	return s.hooks.Publish(ctx, request.Topic, &Event{Name: request.Name})
}
