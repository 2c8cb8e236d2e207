package outbound_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/xetys/tether/source/outbound"
)

func TestWhatIsRefused(t *testing.T) {
	for _, c := range []struct {
		ip, why string
		rule    outbound.Rule
	}{
		{"127.0.0.1", "own machine", outbound.Rule{}},
		{"127.8.8.8", "own machine", outbound.Rule{}},
		{"0.0.0.0", "own machine", outbound.Rule{}},
		{"::1", "own machine", outbound.Rule{}},
		{"::", "own machine", outbound.Rule{}},
		{"::ffff:127.0.0.1", "own machine", outbound.Rule{}},
		{"64:ff9b::7f00:1", "own machine", outbound.Rule{}},
		{"169.254.169.254", "link-local", outbound.Rule{}},
		{"::ffff:169.254.169.254", "link-local", outbound.Rule{}},
		{"64:ff9b::a9fe:a9fe", "link-local", outbound.Rule{}},
		{"fe80::1", "link-local", outbound.Rule{}},
		{"fe80::1%eth0", "link-local", outbound.Rule{}},
		{"ff02::1", "link-local", outbound.Rule{}},
		{"239.1.1.1", "multicast", outbound.Rule{}},
		{"fd00:ec2::254", "a cloud", outbound.Rule{}},
		{"fd20:ce::254", "a cloud", outbound.Rule{}},
		{"fd00:c1::a9fe:a9fe", "a cloud", outbound.Rule{}},
		{"fd00:42::42", "a cloud", outbound.Rule{}},
		{"100.100.100.200", "a cloud", outbound.Rule{}},
		{"168.63.129.16", "a cloud", outbound.Rule{}},
		{"10.0.0.1", "", outbound.Rule{}},
		{"192.168.1.1", "", outbound.Rule{}},
		{"93.184.216.34", "", outbound.Rule{}},
		{"2001:db8::1", "", outbound.Rule{}},
		{"127.0.0.1", "", outbound.Rule{Local: true}},
		{"169.254.169.254", "link-local", outbound.Rule{Local: true}},
		{"127.0.0.1", "", outbound.Rule{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}},
		{"::ffff:127.0.0.1", "", outbound.Rule{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}},
		{"::1", "own machine", outbound.Rule{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}},
	} {
		err := c.rule.Refuse(netip.MustParseAddr(c.ip))
		if c.why == "" && err != nil || c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why) || !strings.Contains(err.Error(), "--reach")) {
			t.Errorf("%s by %+v: %v; want %q", c.ip, c.rule, err, c.why)
		}
	}
}

// A name is judged by the address that is connected to, and a redirect's too.
func TestWhatIsRefusedIsNotConnectedTo(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked += 100 }))
	defer proxy.Close()
	through, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"} {
		for name, proxied := range map[string]func(*http.Request) (*url.URL, error){"directly": nil, "by a proxy": http.ProxyURL(through)} {
			client := http.Client{Transport: outbound.Rule{}.Transport(&http.Transport{Proxy: proxied})}
			_, err := client.Get("http://" + host + ":" + port)
			var refused *outbound.RefusedError
			if !errors.As(err, &refused) {
				t.Errorf("%s, %s: %v", host, name, err)
			}
		}
	}
	if asked > 0 {
		t.Errorf("it was asked %d times", asked)
	}
	client := http.Client{Transport: outbound.Rule{Local: true}.Transport(&http.Transport{})}
	if _, err := client.Get(server.URL); err != nil || asked != 1 {
		t.Errorf("where it is allowed: %v", err)
	}
	client.Transport = outbound.Rule{}.Transport(&http.Transport{Proxy: http.ProxyURL(through)})
	if _, err := client.Get("http://shop.example.com/"); err != nil || asked != 101 {
		t.Errorf("by a proxy of this machine: %v", err)
	}
	if _, err := (outbound.Rule{}).Dial(context.Background(), "tcp", "localhost:"+port); err == nil {
		t.Error("dialled")
	}
}

func TestARedirectStaysOnItsServer(t *testing.T) {
	for _, c := range []struct {
		asked, location, want, why string
		status                     int
	}{
		{"https://a.example/x", "/y?z", "https://a.example/y?z", "", 302},
		{"https://a.example/x", "https://A.example:443/y", "https://A.example:443/y", "", 301},
		{"https://a.example/x", "//b.example/y?token=secret", "", "https://a.example/x redirects to https://b.example/y, which is another server", 307},
		{"https://a.example/x", "https://ann:secret@a.example:444/", "", "redirects to https://a.example:444/", 308},
		{"https://a.example/x", "http://a.example/x", "", "redirects to http://a.example/x", 303},
		{"http://a.example/x", "https://a.example/x", "", "redirects to https://a.example/x", 301},
		{"https://a.example/x", "https://b.a.example/x", "", "another server", 301},
		{"https://a.example/x", "https://a.example./x", "", "another server", 301},
		{"https://a.example/x", "file:///etc/passwd", "", "another server", 301},
		{"https://a.example/x", "http://%zz", "", "no address", 301},
		{"https://a.example/x", "", "", "", 302},
		{"https://a.example/x", "https://b.example", "", "", 200},
	} {
		asked, err := url.Parse(c.asked)
		if err != nil {
			t.Fatal(err)
		}
		to, err := outbound.Follow(&http.Response{StatusCode: c.status, Header: http.Header{"Location": {c.location}}}, asked)
		if c.why == "" && (err != nil || c.want != "" && (to == nil || to.String() != c.want) || c.want == "" && to != nil) {
			t.Errorf("%s to %q: %v, %v", c.asked, c.location, to, err)
		}
		if c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s to %q: %v; want %q", c.asked, c.location, err, c.why)
		}
	}
}
