// The greeter as a service of go-micro v5, and a client that checks one.
package main

import "micro.test/greeter"

func main() {
	greeter.Main(greeter.Library{Serve: serve, Client: newClient, Get: get})
}
