package greeter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
)

const (
	// key is of the metadata of every event.
	key = "X-Event-Key"
	// patience is how long an event may be on its way.
	patience = 5 * time.Second
)

func timed(timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), timeout)
}

func fresh() string {
	return fmt.Sprintf("event-%d", time.Now().UnixNano())
}

func indirect(s *subject) error {
	if s.flags.At != "" {
		return skip("who subscribes is not known without a registry")
	}
	return nil
}

// events has the server receive what we publish.
func events(s *subject) error {
	if err := indirect(s); err != nil {
		return err
	}
	name := fresh()
	ctx, cancel := s.context()
	defer cancel()
	if err := s.Publish(s.With(ctx, map[string]string{key: "ours"}), Topic, &Event{Name: name}); err != nil {
		return err
	}
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(50 * time.Millisecond) {
		reply := &EventsReply{}
		if err := s.call("Greeter.Events", &Empty{}, reply); err != nil {
			return err
		}
		if contains(reply.Names, name) {
			is, _ := value(reply.Metadata, key)
			return same(key, is, "ours")
		}
	}
	return errors.New("the server heard nothing")
}

// publish has us receive what the server publishes.
func publish(s *subject) error {
	if err := indirect(s); err != nil {
		return err
	}
	name := fresh()
	topic := "peer." + name
	heard := make(chan error, 16)
	stop, err := s.Subscribe(topic, func(header map[string]string, body []byte) {
		event := &Event{}
		contentType, _ := value(header, "Content-Type")
		if strings.HasSuffix(contentType, "json") {
			heard <- json.Unmarshal(body, event)
		} else {
			heard <- proto.Unmarshal(body, event)
		}
		is, _ := value(header, key)
		heard <- errors.Join(same("the event", event.Name, name), same(key, is != "", true))
	})
	if err != nil {
		return err
	}
	defer stop()
	// v5 over NATS does not wait until others can see its registration, and a server that looks before they can
	// believes for five seconds that there is none.
	time.Sleep(100 * time.Millisecond)
	for begun := time.Now(); time.Since(begun) < patience; {
		// Until the server's broker knows of the subscription.
		if err := s.call("Greeter.Publish", &PublishRequest{Topic: topic, Name: name}, &Empty{}); err != nil {
			return err
		}
		select {
		case err := <-heard:
			return errors.Join(err, <-heard)
		case <-time.After(500 * time.Millisecond):
		}
	}
	return errors.New("we heard nothing")
}
