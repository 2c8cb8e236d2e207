package mask_test

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/xetys/tether/render/mask"
)

const password = "Kx7-quiet!Harbour_92"

func TestFormsOfASecret(t *testing.T) {
	m := mask.New([]string{password, "postgres://app:w0nderwall77@db/shop?a=b", "4711", "ab", "line one is long\nline two is longer"}, mask.NewNames("shop"))
	for sentence, c := range map[string]struct{ text, want string }{
		"as it is":                               {"it is " + password + ".", "it is (masked)."},
		"in another case":                        {"it is " + strings.ToUpper(password), "it is (masked)"},
		"quoted":                                 {strconv.Quote(password), `"(masked)"`},
		"escaped for a URL":                      {"a=" + url.QueryEscape(password) + "&b", "a=(masked)&b"},
		"escaped twice":                          {url.QueryEscape(url.QueryEscape("w0nder") + "wall77"), "(masked)"},
		"a piece of it":                          {"quiet!Harb", "(masked)"},
		"a piece that is too short to tell":      {"quiet", "quiet"},
		"a part of a URL":                        {"password w0nderwall77 is wrong", "password (masked) is wrong"},
		"a line of a text":                       {"    line two is longer", "    (masked)"},
		"as base64":                              {base64.StdEncoding.EncodeToString([]byte(password)), "(masked)="},
		"as base64, behind something":            {base64.StdEncoding.EncodeToString([]byte("a:" + password)), "YT(masked)=="},
		"as base64 of base64":                    {base64.StdEncoding.EncodeToString([]byte(base64.URLEncoding.EncodeToString([]byte("x" + password)))), "Z(masked)=="},
		"as hex":                                 {hex.EncodeToString([]byte(password)), "(masked)"},
		"a short one":                            {"port 4711 is taken", "port (masked) is taken"},
		"a short one that is a part of a number": {"147110", "1(masked)0"},
		"a very short one":                       {`it is "ab", not abc`, `it is "(masked)", not abc`},
		"a name":                                 {"release shop failed", "release shop failed"},
		"nothing":                                {"", ""},
	} {
		if have := m.Text(c.text); have != c.want {
			t.Errorf("%s: %q becomes %q, not %q", sentence, c.text, have, c.want)
		}
		if m.Shows(c.text) != (c.text != c.want) {
			t.Errorf("%s: it says the contrary of what it does", sentence)
		}
	}
	var none *mask.Mask
	if have := none.Text(password); have != password {
		t.Errorf("without secrets: %s", have)
	}
}

// What everybody knows is shown when a secret holds it, or is it.
func TestPublicWordsAreShown(t *testing.T) {
	m := mask.New([]string{"v2-crashloop", "Deployment", "CrashLoopBackOff", "xuangong-backend", "xuangong-backend-4f9a", "prod", "true"}, mask.NewNames("xuangong-backend", "prod"))
	for text, want := range map[string]string{
		"Deployment.apps prod/web: CrashLoopBackOff":     "Deployment.apps prod/web: CrashLoopBackOff",
		"release xuangong-backend: failed":               "release xuangong-backend: failed",
		"the password is xuangong-backend-4f9a, is it?":  "the password is (masked), is it?",
		"image web:v2-crashloop: CrashLoopBackOff":       "image web:(masked): CrashLoopBackOff",
		"CRASHLOOP is no secret, and v2crashloop is one": "CRASHLOOP is no secret, and (masked) is one",
	} {
		if have := m.Text(text); have != want {
			t.Errorf("%q becomes %q, not %q", text, have, want)
		}
	}
}

// forms are what templates make of a value.
var forms = map[string]func(string) string{
	"urlquery": url.QueryEscape,
	"path":     url.PathEscape,
	"html":     html.EscapeString,
	"js":       template.JSEscapeString,
	"quote":    strconv.Quote,
	"ascii":    strconv.QuoteToASCII,
	"toJson":   func(s string) string { raw, _ := json.Marshal(s); return string(raw) },
	"squote":   func(s string) string { return "'" + s + "'" },
	"upper":    strings.ToUpper,
	"lower":    strings.ToLower,
	"title":    func(s string) string { return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):] },
	"b64enc":   func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) },
	"b64url":   func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
	"b32enc": func(s string) string {
		return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(s))
	},
	"hex":       func(s string) string { return fmt.Sprintf("%x", s) },
	"HEX":       func(s string) string { return fmt.Sprintf("%X", s) },
	"indent":    func(s string) string { return "    " + strings.ReplaceAll(s, "\n", "\n    ") },
	"kebabcase": func(s string) string { return strings.Join(strings.Split(s, ""), "-") },
	"replace":   func(s string) string { return strings.NewReplacer("-", "_", "!", "").Replace(s) },
	"printf":    func(s string) string { return "//x:" + s + "@x/" },
}

// Whatever two functions make of a secret, or of a piece of it, no piece of that is left.
func TestRandomFormsOfRandomSecrets(t *testing.T) {
	seed := seedNow(t)
	r := rand.New(rand.NewPCG(seed, 0))
	names := make([]string, 0, len(forms))
	for n := range forms {
		names = append(names, n)
	}
	for range 1000 {
		secret := randomSecret(r)
		m := mask.New([]string{secret, randomSecret(r)}, nil)
		piece := secret
		if r.IntN(2) == 0 { // a piece has what a piece of its base64 needs as well
			from := r.IntN(len(secret) - 11)
			piece = secret[from : from+12+r.IntN(len(secret)-from-11)]
		}
		piece = strings.TrimFunc(piece, func(r rune) bool { return letters(string(r)) == 0 }) // its edges are not looked for by themselves
		if letters(piece) < 12 {                                                              // some may be part of what looks like an escape
			continue
		}
		a, b := names[r.IntN(len(names))], names[r.IntN(len(names))]
		if b == "kebabcase" {
			b = "quote" // an escape that is torn apart is none
		}
		text, around := forms[b](forms[a](piece)), letters(forms[b](forms[a]("")))
		left := strings.ReplaceAll(m.Text("so: "+text+" :it"), mask.Hidden, "")
		if n := letters(strings.TrimSuffix(strings.TrimPrefix(left, "so: "), " :it")); n > 11+around {
			t.Fatalf("seed %d: %s of %s of %q, which is %q, becomes %q", seed, b, a, piece, text, left)
		}
	}
}

func randomSecret(r *rand.Rand) string {
	const of = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghijkmnopqrstuvwxyz -_!@#$%^&*()+=/\\\"'<>:;,.?~é"
	runes := []rune(of)
	var b strings.Builder
	for range 20 + r.IntN(30) {
		b.WriteRune(runes[r.IntN(len(runes))])
	}
	return strings.TrimSpace(b.String())
}

func letters(text string) int {
	n := 0
	for _, r := range text {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			n++
		}
	}
	return n
}

func TestWordsThatMayBeShown(t *testing.T) {
	w := mask.NewWords()
	w.Read("image: registry.example.com/web\ntag: v1.24.3")
	for text, plain := range map[string]bool{
		`"registry.example.com/web:v1.24.3"`: true,
		`"registry.example.com/web:hunter2"`: false,
		`"REGISTRY"`:                         true,
		`{"name":"web","replicas":120}`:      true,
		`"IfNotPresent"`:                     true,
		`4711`:                               false,
		`"a \u0026\u0026 b"`:                 true,
		`"registry.examp…`:                   false,
	} {
		if mask.Plain(text, w) != plain {
			t.Errorf("%s: want it plain: %t", text, plain)
		}
	}
	w.Read(`own/templates/c.yaml: {{ if eq .a .b }} k: x, o, 7, e, u, 6, t, h, d, 0, 2, args: [sh, -c, go run .] {{ end }}`)
	for text, plain := range map[string]bool{
		`["sh","-c","go run ."]`: true, // as it stands there
		`"K.x.7.u.0.0.2.6.h.o"`:  false,
		`"K image x image 7 image u image 2 image 6 image h image o"`: false,
		`"k: x, o"`: true,
	} {
		if mask.Plain(text, w) != plain {
			t.Errorf("%s: want it plain: %t", text, plain)
		}
	}
	for text, want := range map[string]string{
		"at (own/templates/c.yaml:117:23): at (own/templates/c.yaml:204:31): image, k: x": "at (own/templates/c.yaml:117:23): at (own/templates/c.yaml:204:31): image, k: x",
		"at (own/templates/c.yaml:7:3): K.x.7.u.0.0.2.6.h.o is it":                        "at (own/templates/c.yaml:7:3): (masked) is it",
		"x image 7 image 2 image 6 image h image o image t image d image o":               strings.Repeat("(masked) image ", 8) + "(masked)",
		"7.u.0.2": "7.u.0.2",
	} {
		if have := mask.Only(text, w); have != want {
			t.Errorf("%s\nbecomes\n%s", text, have)
		}
	}
	const text = "execution error at (own/templates/c.yaml:2:3): 7retnuh is not a registry"
	if have, want := mask.Only(text, w), "execution error at (own/templates/c.yaml:2:3): (masked) is not a registry"; have != want {
		t.Errorf("%s", have)
	}
}

// What is remembered is bounded; where there is more, that is said.
func TestMoreSecretsThanAreRemembered(t *testing.T) {
	var all []string
	for i := range 20 {
		all = append(all, strings.Repeat(fmt.Sprintf("%08d", i), 4000))
	}
	if m := mask.New(all, nil); !m.Partly() || m.Empty() || mask.New(all[:2], nil).Partly() {
		t.Error("it says the contrary")
	}
}

func TestSeveralMasksTogether(t *testing.T) {
	m := mask.Union(mask.New([]string{"!!" + password}, nil), nil, mask.New([]string{"swordfish-7"}, nil))
	if have, want := m.Text("!!"+password+" and swordfish-7"), "(masked) and (masked)"; have != want {
		t.Errorf("have %q, want %q", have, want)
	}
}

// A text is searched in time that grows with its length.
func BenchmarkText(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	var all []string
	for range 100 {
		all = append(all, randomSecret(r))
	}
	m := mask.New(all, mask.NewNames("shop"))
	line := "release web: Deployment.apps prod/web: spec.template.spec.containers[name=web].image is registry.example.com/web:v2, not registry.example.com/web:v1, by kubectl-edit; "
	for _, n := range []int{1, 10, 100} {
		text := strings.Repeat(line, n)
		b.Run(fmt.Sprintf("%d bytes", len(text)), func(b *testing.B) {
			for b.Loop() {
				m.Text(text)
			}
		})
	}
}

// seedNow is the same each time, but where TETHER_SEED names another: who looks for more
// tries many.
func seedNow(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("TETHER_SEED")
	if text == "" {
		return 301
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("TETHER_SEED: %v", err)
	}
	return seed
}
