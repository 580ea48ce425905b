package greeter

// Plain is an ordinary struct, which has JSON only.
type Plain struct {
	FullName string            `json:"full_name"`
	Big      int64             `json:"big"`
	Data     []byte            `json:"data"`
	Tags     []string          `json:"tags"`
	Inner    *Plain            `json:"inner,omitempty"`
	Labels   map[string]string `json:"labels"`
	NoTag    bool
}
