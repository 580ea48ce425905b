package main

import (
	"fmt"

	"github.com/micro/go-micro/v2/broker"
	memorybroker "github.com/micro/go-micro/v2/broker/memory"
	natsbroker "github.com/micro/go-micro/v2/broker/nats"
	"github.com/micro/go-micro/v2/registry"
	"github.com/micro/go-micro/v2/registry/etcd"
	"github.com/micro/go-micro/v2/registry/memory"
	"github.com/micro/go-micro/v2/transport"
	grpctransport "github.com/micro/go-micro/v2/transport/grpc"
	"micro.test/greeter"
)

// parts are the plugins that the command line names.
type parts struct {
	registry  registry.Registry
	broker    broker.Broker
	transport transport.Transport
}

func open(f *greeter.Flags) (p parts, err error) {
	switch f.Registry {
	case "mdns":
		p.registry = registry.NewRegistry()
	case "memory":
		p.registry = memory.NewRegistry()
	case "etcd":
		p.registry = etcd.NewRegistry(registry.Addrs(greeter.List(f.RegistryAddress)...))
	default:
		return p, fmt.Errorf("registry `%s` is not built", f.Registry)
	}
	options := []broker.Option{broker.Registry(p.registry)}
	if f.BrokerAddress != "" {
		options = append(options, broker.Addrs(greeter.List(f.BrokerAddress)...))
	}
	switch f.Broker {
	case "http":
		p.broker = broker.NewBroker(options...)
	case "memory":
		p.broker = memorybroker.NewBroker()
	case "nats":
		p.broker = natsbroker.NewBroker(options...)
	default:
		return p, fmt.Errorf("broker `%s` is not built", f.Broker)
	}
	switch f.Transport {
	case "http":
		p.transport = transport.NewTransport()
	case "grpc":
		p.transport = grpctransport.NewTransport()
	default:
		return p, fmt.Errorf("transport `%s` is not built", f.Transport)
	}
	return p, nil
}

// get is what the registry has of the service.
func get(f *greeter.Flags) (any, error) {
	p, err := open(f)
	if err != nil {
		return nil, err
	}
	return p.registry.GetService(f.Name)
}
