package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/mail"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/xetys/tether/source"
	"github.com/xetys/tether/source/git"
)

// gitFlags are how the repository is reached, and whom its commits are taken from.
type gitFlags struct {
	username, tokenFile            string
	appID, appInstallation         string
	appKeyFile, apiURL             string
	sshKeyFile, knownHosts, caFile string
	proxy                          string
	openPGPFile, signersFile       string
	timeout, silence               time.Duration
}

func (g *gitFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&g.username, "git-username", "", "user name for https (default: x-access-token, if there is a token)")
	fl.StringVar(&g.tokenFile, "git-token-file", "", "file with a token or password for https")
	fl.StringVar(&g.appID, "github-app-id", "", "ID of a GitHub App that may read the repository, in place of a token")
	fl.StringVar(&g.appInstallation, "github-app-installation-id", "", "ID of the GitHub App's installation")
	fl.StringVar(&g.appKeyFile, "github-app-key-file", "", "file with the GitHub App's private key")
	fl.StringVar(&g.apiURL, "github-api-url", "", "GitHub's API, for an Enterprise Server: https://HOST/api/v3 (default: https://api.github.com)")
	fl.StringVar(&g.sshKeyFile, "ssh-key-file", "", "file with a private key for ssh")
	fl.StringVar(&g.knownHosts, "ssh-known-hosts-file", "", "known_hosts file for ssh")
	fl.StringVar(&g.caFile, "git-ca-file", "", "file with certificates that an https server's is checked against, beside the system's")
	fl.StringVar(&g.proxy, "git-proxy", "", "proxy to the repository: http://…, https://… or socks5://… for https, socks5://… for ssh (default: HTTPS_PROXY and NO_PROXY, for https)")
	fl.DurationVar(&g.timeout, "git-timeout", 5*time.Minute, "how long a fetch may take; then it is given up, and tried again")
	fl.DurationVar(&g.silence, "git-idle-timeout", 30*time.Second, "how long the git server may send nothing in the middle of a fetch; then it is given up, and tried again")
	fl.StringVar(&g.openPGPFile, "verify-openpgp-file", "", "file with armored OpenPGP public keys: heads that none of the trusted keys signed are refused")
	fl.StringVar(&g.signersFile, "verify-ssh-file", "", "allowed_signers file of ssh keys: heads that none of the trusted keys signed are refused")
}

// auth reads the credentials; it is asked before each fetch.
func (g *gitFlags) auth() (git.Auth, error) {
	a := git.Auth{Username: g.username, App: git.App{ID: g.appID, Installation: g.appInstallation, API: g.apiURL}}
	var token []byte
	err := readFiles([]flagFile{
		{"--git-token-file", g.tokenFile, &token}, {"--github-app-key-file", g.appKeyFile, &a.App.Key},
		{"--ssh-key-file", g.sshKeyFile, &a.SSHKey}, {"--ssh-known-hosts-file", g.knownHosts, &a.KnownHosts}, {"--git-ca-file", g.caFile, &a.CA},
	})
	a.Password = string(bytes.TrimSpace(token))
	return a, err
}

// trust reads the trusted keys; it is asked before each fetch.
func (g *gitFlags) trust() (git.Trust, error) {
	var t git.Trust
	err := readFiles([]flagFile{{"--verify-openpgp-file", g.openPGPFile, &t.OpenPGP}, {"--verify-ssh-file", g.signersFile, &t.SSH}})
	return t, err
}

// flagFile is a file that a flag names.
type flagFile struct {
	flag, path string
	into       *[]byte
}

func readFiles(files []flagFile) error {
	for _, f := range files {
		if f.path == "" {
			continue
		}
		raw, err := os.ReadFile(f.path)
		if err != nil {
			return fmt.Errorf("%s: %w", f.flag, err)
		}
		*f.into = raw
	}
	return nil
}

// repository returns the source of commits that the flags name. It alone decides which kind of
// source that is.
func (f *agentFlags) repository(dir string, refs []source.Ref) (source.Source, error) {
	opts := git.Options{URL: f.repo, Refs: refs, Dir: dir, Timeout: f.git.timeout, Silence: f.git.silence, Auth: f.git.auth, Proxy: f.git.proxy}
	if f.git.openPGPFile != "" || f.git.signersFile != "" {
		opts.Trust = f.git.trust
	}
	if f.git.timeout <= 0 || f.git.silence <= 0 {
		return nil, usageError{errors.New("--git-timeout and --git-idle-timeout: use more than 0")}
	}
	if f.git.appID == "" && f.git.appInstallation+f.git.appKeyFile != "" {
		return nil, usageError{fmt.Errorf("--github-app-id is missing")}
	}
	committer, err := f.promotions.committer()
	if err != nil {
		return nil, usageError{err}
	}
	opts.Committer = committer
	repo, err := git.New(opts)
	if err != nil {
		return nil, usageError{fmt.Errorf("--repo: %w", err)}
	}
	return repo, nil
}

// parseEnvironments reads NAME and NAME@REF; every environment gets its ref.
func parseEnvironments(given []string, branch string) (names []string, refs map[string]source.Ref, err error) {
	refs = map[string]source.Ref{}
	for _, text := range given {
		name, at, found := strings.Cut(text, "@")
		if !found {
			at = branch
		}
		if name == "" {
			return nil, nil, fmt.Errorf("--environment %q: it has no name", text)
		}
		if slices.Contains(names, name) {
			return nil, nil, fmt.Errorf("--environment: %s is given twice", name)
		}
		ref, err := git.ParseRef(at)
		if err != nil {
			return nil, nil, fmt.Errorf("--environment %s: %w", text, err)
		}
		names, refs[name] = append(names, name), ref
	}
	return names, refs, nil
}

// distinct returns the refs that environments follow, each once.
func distinct(refs map[string]source.Ref) []source.Ref {
	var out []source.Ref
	for _, ref := range refs {
		if !slices.Contains(out, ref) {
			out = append(out, ref)
		}
	}
	slices.Sort(out)
	return out
}

// promotionFlags say whether the agent carries out promotions, and in whose name.
type promotionFlags struct {
	on              bool
	author, keyFile string
}

func (f *promotionFlags) register(fl *pflag.FlagSet) {
	fl.BoolVar(&f.on, "promote", false, "carry out what environments say under promote, by commits that are pushed: the credentials have to allow that")
	fl.StringVar(&f.author, "promote-author", "Tether <tether@localhost>", "the author of commits of --promote")
	fl.StringVar(&f.keyFile, "promote-signing-key-file", "", "file with a private ssh key that signs commits of --promote; where heads have to be signed, its public part has to be trusted")
}

// committer is in whose name commits are pushed; nil if none are.
func (f *promotionFlags) committer() (*git.Committer, error) {
	if !f.on {
		if f.keyFile != "" {
			return nil, errors.New("--promote-signing-key-file is for --promote: give that too")
		}
		return nil, nil
	}
	who, err := mail.ParseAddress(f.author)
	if err != nil || who.Name == "" {
		return nil, fmt.Errorf("--promote-author %q: write Name <mail@example.com>", f.author)
	}
	c := &git.Committer{Name: who.Name, Email: who.Address}
	if err := readFiles([]flagFile{{"--promote-signing-key-file", f.keyFile, &c.SSHKey}}); err != nil {
		return nil, err
	}
	return c, c.Check()
}
