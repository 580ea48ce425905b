package main

import (
	"fmt"
	"time"

	"go-micro.dev/v5/broker"
	natsbroker "go-micro.dev/v5/broker/nats"
	"go-micro.dev/v5/broker/rabbitmq"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/registry/consul"
	"go-micro.dev/v5/registry/etcd"
	"go-micro.dev/v5/registry/nats"
	"go-micro.dev/v5/transport"
	grpctransport "go-micro.dev/v5/transport/grpc"
	natstransport "go-micro.dev/v5/transport/nats"
	"micro.test/greeter"
)

// parts are the plugins that the command line names.
type parts struct {
	registry  registry.Registry
	broker    broker.Broker
	transport transport.Transport
}

func open(f *greeter.Flags) (p parts, err error) {
	at := registry.Addrs(greeter.List(f.RegistryAddress)...)
	switch f.Registry {
	case "mdns":
		p.registry = registry.NewMDNSRegistry()
	case "memory":
		p.registry = registry.NewMemoryRegistry()
	case "consul":
		p.registry = consul.NewConsulRegistry(at)
	case "etcd":
		p.registry = etcd.NewEtcdRegistry(at)
	case "nats":
		// It asks all nodes and believes those that answer in this time: 100 ms where unsaid, too few on a busy machine.
		p.registry = nats.NewNatsRegistry(at, registry.Timeout(500*time.Millisecond))
	default:
		return p, fmt.Errorf("registry `%s` is not built", f.Registry)
	}
	options := []broker.Option{broker.Registry(p.registry)}
	if f.BrokerAddress != "" {
		options = append(options, broker.Addrs(greeter.List(f.BrokerAddress)...))
	}
	switch f.Broker {
	case "http":
		p.broker = broker.NewHttpBroker(options...)
	case "memory":
		p.broker = broker.NewMemoryBroker()
	case "nats":
		p.broker = natsbroker.NewNatsBroker(options...)
	case "rabbitmq":
		p.broker = rabbitmq.NewBroker(options...)
	default:
		return p, fmt.Errorf("broker `%s` is not built", f.Broker)
	}
	switch f.Transport {
	case "http":
		p.transport = transport.NewHTTPTransport()
	case "grpc":
		p.transport = grpctransport.NewTransport()
	case "nats":
		p.transport = natstransport.NewTransport(transport.Addrs(greeter.List(f.TransportAddress)...))
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
