package greeter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
)

// cases are all of them, by the names and in the order of every peer.
var cases = []testCase{
	{"hello", func(s *subject) error { return s.greet("John") }},
	{"hello-empty", func(s *subject) error { return s.greet("") }},
	{"hello-unicode", func(s *subject) error { return s.greet("Zoë 🦀 日本 <&>\"\\\u2028\n\t\x7f") }},
	{"hello-large", func(s *subject) error { return s.greet(strings.Repeat("x", 1<<20)) }},
	{"fail-bad", failing("bad", 400, "bad <input> & \"quotes\"")},
	{"fail-unauthorized", failing("unauthorized", 401, "who are you")},
	{"fail-forbidden", failing("forbidden", 403, "not you")},
	{"fail-notfound", failing("notfound", 404, "no such thing")},
	{"fail-conflict", failing("conflict", 409, "twice")},
	{"fail-internal", failing("internal", 500, "broken")},
	{"fail-teapot", failing("teapot", 418, "short and stout")},
	{"fail-plain", telling("plain", "plain failure")},
	{"fail-newline", telling("newline", "line one line two")},
	{"fail-none", func(s *subject) error { return s.call("Greeter.Fail", &FailRequest{}, &Empty{}) }},
	{"unknown-service", unknown("Nobody.Hello")},
	{"unknown-method", unknown("Greeter.Nothing")},
	{"metadata", metadata},
	{"timeout", timeout},
	{"deadline", deadline},
	{"sleep", sleep},
	{"types", types},
	{"types-zero", typesZero},
	{"plain", plain},
	{"count", func(s *subject) error { return s.count(5, "", false) }},
	{"count-none", func(s *subject) error { return s.count(0, "", false) }},
	{"count-fail", func(s *subject) error { return s.count(3, "notfound", false) }},
	{"count-burst", func(s *subject) error { return s.count(200, "", true) }},
	{"chat", func(s *subject) error { return s.chat(3) }},
	{"chat-none", func(s *subject) error { return s.chat(0) }},
	{"events", events},
	{"publish", publish},
	{"sequential", sequential},
	{"concurrent", concurrent},
}

func (s *subject) greet(name string) error {
	reply := &HelloReply{}
	if err := s.call("Greeter.Hello", &HelloRequest{Name: name}, reply); err != nil {
		return err
	}
	return same("the greeting", reply.Msg, "Hello "+name)
}

func sequential(s *subject) error {
	for n := 0; n < 100; n++ {
		if err := s.greet(strconv.Itoa(n)); err != nil {
			return err
		}
	}
	return nil
}

func concurrent(s *subject) error {
	const callers, calls = 16, 10
	ended := make(chan error, callers)
	for caller := 0; caller < callers; caller++ {
		go func(caller int) {
			for n := 0; n < calls; n++ {
				if err := s.greet(fmt.Sprintf("%d.%d", caller, n)); err != nil {
					ended <- err
					return
				}
			}
			ended <- nil
		}(caller)
	}
	var failed error
	for caller := 0; caller < callers; caller++ {
		if err := <-ended; err != nil {
			failed = err
		}
	}
	return failed
}

func failing(kind string, code int32, detail string) func(*subject) error {
	return func(s *subject) error {
		err := s.call("Greeter.Fail", &FailRequest{Kind: kind}, &Empty{})
		if err == nil {
			return errors.New("it went well")
		}
		id, gotCode, gotDetail := s.Error(err)
		return errors.Join(
			same("the code", gotCode, code),
			same("the text", gotDetail, detail),
			same("the id", id, "greeter.fail"),
		)
	}
}

func telling(kind, text string) func(*subject) error {
	return func(s *subject) error {
		err := s.call("Greeter.Fail", &FailRequest{Kind: kind}, &Empty{})
		if err == nil {
			return errors.New("it went well")
		}
		_, code, detail := s.Error(err)
		if code != 0 && code != 500 {
			return fmt.Errorf("the code is %d", code)
		}
		// A plain error is a line of a header, where the end of a line becomes a space.
		return same("the text", strings.ReplaceAll(detail, "\n", " "), text)
	}
}

func unknown(endpoint string) func(*subject) error {
	return func(s *subject) error {
		err := s.call(endpoint, &HelloRequest{Name: "John"}, &HelloReply{})
		if err == nil {
			return errors.New("it went well")
		}
		// go-micro's own servers say it as text, without a code.
		_, code, detail := s.Error(err)
		if code == 404 || code == 501 || strings.Contains(detail, "can't find") || strings.Contains(detail, "unknown") {
			return nil
		}
		return err
	}
}

func value(metadata map[string]string, name string) (string, bool) {
	for key, value := range metadata {
		if strings.EqualFold(key, name) {
			return value, true
		}
	}
	return "", false
}

func metadata(s *subject) error {
	sent := map[string]string{"X-Tenant": "acme, west", "Lower": "a=b; c", "X-Empty": ""}
	ctx, cancel := s.context()
	defer cancel()
	reply := &EchoReply{}
	if err := s.Call(s.With(ctx, sent), "Greeter.Echo", &Empty{}, reply); err != nil {
		return err
	}
	for name, should := range sent {
		is, _ := value(reply.Metadata, name)
		if err := same(name, is, should); err != nil {
			return err
		}
	}
	next := &EchoReply{}
	if err := s.call("Greeter.Echo", &Empty{}, next); err != nil {
		return err
	}
	if left, ok := value(next.Metadata, "X-Tenant"); ok {
		return fmt.Errorf("what is left for the next call is %q", left)
	}
	return nil
}

func timeout(s *subject) error {
	ctx, cancel := timed(2 * time.Second)
	defer cancel()
	reply := &EchoReply{}
	if err := s.Call(ctx, "Greeter.Echo", &Empty{}, reply); err != nil {
		return err
	}
	// From v4.10 on a client says 5 s over mucp, whatever its deadline is.
	if reply.Timeout < 1 || reply.Timeout > 5000 {
		return fmt.Errorf("of 2000 ms the server was left %d", reply.Timeout)
	}
	return nil
}

func deadline(s *subject) error {
	begun := time.Now()
	ctx, cancel := timed(300 * time.Millisecond)
	defer cancel()
	err := s.Call(ctx, "Greeter.Sleep", &Sleep{Ms: 3000}, &Sleep{})
	if err == nil {
		return errors.New("it was answered after its deadline")
	}
	_, code, _ := s.Error(err)
	return errors.Join(
		same("the code", code, 408),
		same("whether it ended in time", time.Since(begun) < 2*time.Second, true),
	)
}

func sleep(s *subject) error {
	begun := time.Now()
	reply := &Sleep{}
	if err := s.call("Greeter.Sleep", &Sleep{Ms: 200}, reply); err != nil {
		return err
	}
	return errors.Join(
		same("the time", reply.Ms, 200),
		same("whether it waited", time.Since(begun) >= 200*time.Millisecond, true),
	)
}

func (s *subject) types(sent *Types) error {
	reply := &Types{}
	if err := s.call("Greeter.Types", sent, reply); err != nil {
		return err
	}
	if !proto.Equal(reply, sent) {
		return fmt.Errorf("the answer is %v, not %v", reply, sent)
	}
	return nil
}

func types(s *subject) error {
	return s.types(&Types{
		FullName: "a_b", Big: 1<<53 + 1, Color: Color_BLUE, Data: []byte{0, 0xff, '>', '?'},
		Tags: []string{"x", ""}, Counts: map[string]int32{"a": -1, "b": 0}, Ok: true, Ratio: 0.1,
		Nothing: &Empty{},
	})
}

func typesZero(s *subject) error {
	return errors.Join(s.types(&Types{}), s.types(&Types{Big: -1 << 63, Ratio: -1e300}))
}

func plain(s *subject) error {
	if !strings.HasSuffix(s.flags.ContentType, "json") {
		return skip("an ordinary struct has JSON only")
	}
	sent := &Plain{
		FullName: "a_b", Big: 1<<53 + 1, Data: []byte{0, 0xff}, Tags: []string{"x"},
		Inner: &Plain{Big: 1}, Labels: map[string]string{"k": "<v>"}, NoTag: true,
	}
	reply := &Plain{}
	if err := s.call("Greeter.Plain", sent, reply); err != nil {
		return err
	}
	if !reflect.DeepEqual(sent, reply) {
		is, _ := json.Marshal(reply)
		return fmt.Errorf("the answer is %s", is)
	}
	return nil
}

func (s *subject) count(to int32, fail string, burst bool) error {
	ctx, cancel := s.context()
	defer cancel()
	request := &CountRequest{To: to, Fail: fail, Burst: burst}
	stream, err := s.Stream(ctx, "Greeter.Count", request)
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := stream.Send(request); err != nil {
		return err
	}
	halfClose(stream)
	for n := int32(1); n <= to; n++ {
		reply := &CountReply{}
		if err := stream.Recv(reply); err != nil {
			return fmt.Errorf("before %d: %w", n, err)
		}
		if err := same("the number", reply.N, n); err != nil {
			return err
		}
	}
	err = stream.Recv(&CountReply{})
	if fail == "" {
		return ended(err)
	}
	// Over gRPC an error on a stream is the raw text of its status.
	if err == nil || err == io.EOF || !strings.Contains(err.Error(), "no such thing") {
		return fmt.Errorf("the end is %v", err)
	}
	return nil
}

func ended(err error) error {
	if err == io.EOF {
		return nil
	}
	return fmt.Errorf("the end is %v", err)
}

// halfClose ends our side of a stream where the version can.
func halfClose(stream Stream) bool {
	half, ok := stream.(interface{ CloseSend() error })
	return ok && half.CloseSend() == nil
}

func (s *subject) chat(lines int) error {
	ctx, cancel := s.context()
	defer cancel()
	stream, err := s.Stream(ctx, "Greeter.Chat", &Chat{})
	if err != nil {
		return err
	}
	defer stream.Close()
	for n := 0; n < lines; n++ {
		text := strconv.Itoa(n)
		if err := stream.Send(&Chat{Text: text}); err != nil {
			return err
		}
		reply := &Chat{}
		if err := stream.Recv(reply); err != nil {
			return fmt.Errorf("before line %d: %w", n, err)
		}
		if err := same("the reply", reply.Text, "echo "+text); err != nil {
			return err
		}
	}
	if halfClose(stream) {
		return ended(stream.Recv(&Chat{}))
	}
	return nil
}
