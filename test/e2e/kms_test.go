package e2e_test

import (
	"os"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/xetys/tether/test/hosts"
)

// services are the scripts' key services, by their folders; scripts run side by side.
var services sync.Map

// kms starts a server of AWS KMS's API, stops it and starts it again, or has its key
// decrypt no more: kms start|stop|enable|disable. $KMS_KEY is the key's ARN.
func kms(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: kms start|stop|enable|disable")
	}
	dir := ts.MkAbs("kms")
	found, _ := services.Load(dir)
	k, _ := found.(*hosts.KMS)
	switch args[0] {
	case "stop":
		k.Stop()
	case "enable", "disable":
		ts.Check(k.Enable(args[0] == "enable"))
	case "start":
		if k != nil {
			ts.Check(k.Start())
			return
		}
		ts.Check(os.Mkdir(dir, 0o700))
		k, err := hosts.NewKMS(dir)
		ts.Check(err)
		ts.Defer(k.Stop)
		services.Store(dir, k)
		ts.Setenv("KMS_KEY", k.Key)
		ts.Setenv("KMS_HOST", k.Host)
		ts.Setenv("AWS_ENDPOINT_URL_KMS", "http://"+k.Host)
	default:
		ts.Fatalf("usage: kms start|stop|enable|disable")
	}
}
