module micro.test/greeter

go 1.24

require google.golang.org/protobuf v1.22.0
