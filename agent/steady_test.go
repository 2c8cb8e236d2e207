package agent

import (
	"errors"
	"fmt"
	"testing"
)

// Trouble of a connection is told once, though it says another port each time.
func TestTheSameTroubleIsToldAlike(t *testing.T) {
	lookup := "lookup git.example.com on 10.96.0.10:53: read udp %s10.96.0.10:53: i/o timeout"
	one, other := fmt.Errorf(lookup, "10.1.2.3:40001->"), fmt.Errorf(lookup, "10.1.2.3:51234->")
	if want := fmt.Sprintf(lookup, ""); steady(one) != want || steady(other) != want {
		t.Errorf("%s; %s", steady(one), steady(other))
	}
	if six := errors.New("read tcp [fd00::1]:40001->[fd00::2]:443: connection reset"); steady(six) != "read tcp [fd00::2]:443: connection reset" {
		t.Error(steady(six))
	}
}
