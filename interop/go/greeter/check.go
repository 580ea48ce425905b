package greeter

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// skip says why a case could not be run.
type skip string

func (s skip) Error() string { return string(s) }

// subject is the server under test.
type subject struct {
	Client
	flags *Flags
}

func (s *subject) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), s.flags.Timeout)
}

func (s *subject) call(endpoint string, request, reply any) error {
	ctx, cancel := s.context()
	defer cancel()
	return s.Call(ctx, endpoint, request, reply)
}

type testCase struct {
	name string
	run  func(*subject) error
}

func check(flags *Flags, client Client) bool {
	s := &subject{client, flags}
	passed, failed := 0, 0
	for _, c := range cases {
		if len(flags.Only) > 0 && !contains(flags.Only, c.name) {
			continue
		}
		if contains(flags.Skip, c.name) {
			fmt.Println("skip", c.name, "as told")
			continue
		}
		begun := time.Now()
		ended := make(chan error, 1)
		go func() { ended <- c.run(s) }()
		var err error
		select {
		case err = <-ended:
		case <-time.After(flags.Hang):
			err = fmt.Errorf("no end within %v", flags.Hang)
		}
		switch why := err.(type) {
		case nil:
			passed++
			fmt.Printf("ok %s (%d ms)\n", c.name, time.Since(begun).Milliseconds())
		case skip:
			fmt.Println("skip", c.name, why)
		default:
			failed++
			text := strings.NewReplacer("\n", "\\n", "\r", "\\r").Replace(err.Error())
			fmt.Println("FAIL", c.name, text)
		}
	}
	fmt.Fprintf(os.Stdout, "%d passed, %d failed\n", passed, failed)
	return failed == 0
}

func contains(names []string, name string) bool {
	for _, other := range names {
		if other == name {
			return true
		}
	}
	return false
}

func same[T comparable](what string, is, should T) error {
	if is == should {
		return nil
	}
	text := fmt.Sprintf("%v", is)
	if len(text) > 200 {
		text = text[:200]
	}
	return fmt.Errorf("%s is %q, not %.200q", what, text, fmt.Sprintf("%v", should))
}
