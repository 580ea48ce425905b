package greeter

import (
	"flag"
	"fmt"
	"strings"
	"time"
)

// Flags are what the command line says.
type Flags struct {
	Name                          string
	Registry, RegistryAddress     string
	Transport, TransportAddress   string
	Broker, BrokerAddress         string
	Protocol, ContentType         string
	Listen, Advertise, ID         string
	Metadata                      map[string]string
	RegisterTTL, RegisterInterval time.Duration
	At                            string
	Only, Skip                    []string
	Timeout, Hang                 time.Duration
}

func parse(arguments []string) (*Flags, error) {
	f := &Flags{Metadata: map[string]string{}}
	var metadata, only, skip string
	set := flag.NewFlagSet("peer", flag.ContinueOnError)
	set.StringVar(&f.Name, "name", "greeter", "the service's name")
	set.StringVar(&f.Registry, "registry", "mdns", "where it is registered and found")
	set.StringVar(&f.RegistryAddress, "registry_address", "", "its addresses, with commas")
	set.StringVar(&f.Transport, "transport", "http", "what carries calls")
	set.StringVar(&f.TransportAddress, "transport_address", "", "its addresses, with commas")
	set.StringVar(&f.Broker, "broker", "http", "what carries events")
	set.StringVar(&f.BrokerAddress, "broker_address", "", "its addresses, with commas")
	set.StringVar(&f.Protocol, "protocol", "mucp", "mucp or grpc")
	set.StringVar(&f.ContentType, "content_type", "application/json", "of calls and events")
	set.StringVar(&f.Listen, "listen", "127.0.0.1:0", "where the server listens")
	set.StringVar(&f.Advertise, "advertise", "", "the address it registers")
	set.StringVar(&f.ID, "id", "", "the server's id")
	set.StringVar(&metadata, "metadata", "", "of the node: k=v, with commas")
	set.DurationVar(&f.RegisterTTL, "register_ttl", time.Minute, "how long a registration lasts")
	set.DurationVar(&f.RegisterInterval, "register_interval", 30*time.Second, "how often it is renewed")
	set.StringVar(&f.At, "at", "", "the server's address, without discovery")
	set.StringVar(&only, "only", "", "the cases to run, with commas")
	set.StringVar(&skip, "skip", "", "the cases not to run, with commas")
	set.DurationVar(&f.Timeout, "timeout", 5*time.Second, "of a call")
	set.DurationVar(&f.Hang, "hang", 15*time.Second, "of a case")
	if err := set.Parse(arguments); err != nil {
		return nil, err
	}
	f.Only, f.Skip = List(only), List(skip)
	for _, pair := range List(metadata) {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("`%s` is no pair such as k=v", pair)
		}
		f.Metadata[key] = value
	}
	return f, nil
}

// List is what stands between commas.
func List(text string) []string {
	var items []string
	for _, item := range strings.Split(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
