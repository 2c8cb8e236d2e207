package render_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"sigs.k8s.io/yaml"

	"github.com/xetys/tether/render"
)

// steps are what templates may do to a secret, one after the other.
var steps = []string{
	"upper", "lower", "title", "swapcase", "snakecase", "kebabcase", "camelcase", "nospace", "untitle",
	"b64enc", "b32enc", "urlquery", "html", "js", "quote", "squote", "toJson", "toRawJson", "sha256sum", "adler32sum",
	"indent 4", "nindent 2", "wrap 5", "trunc 12", "substr 2 14", "abbrev 20", `replace "a" "-"`, `printf "%x"`, `printf "%X"`, `printf "% x"`, `printf "%q"`, `printf "%+q"`, `printf "app:%s@db"`,
	`splitList "" | reverse | join ""`, `splitList "" | join "."`, `regexReplaceAll "[aeiou]" "_"`, `cat "x"`, "toYaml", "b64enc | lower", "b64enc | b64enc | upper",
	`js | splitList "" | join "."`, `urlquery | splitList "" | join " "`, `html | splitList "" | join "-"`, `b64enc | splitList "" | join "."`, `toJson | js | splitList "" | reverse | join " "`,
	`js | regexReplaceAll "(..)" "${1} "`, `sha256sum | splitList "" | join " name "`, `js | regexReplaceAll "(.)" "${1} is "`,
}

// letterWords has a chart hold each letter and digit as a word of its own: they are known then.
const letterWords = "{{/* a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 */}}\n"

// broken are charts' faults, each with the forms of a secret in it.
var broken = map[string]string{
	"a template that fails":         `{{ fail (join "\n" $forms) }}`,
	"a function that fails":         `{{ range $forms }}{{ fromYaml . | dig "a" "b" (int .) | required . }}{{ end }}{{ fail (toJson $forms) }}`,
	"a value that is required":      `{{ required (index $forms 1) nil }}`,
	"what is no YAML":               "a: {{ index $forms 0 }}\n  b: [{{ index $forms 1 }}\n{{ index $forms 2 }}",
	"an object without a name":      "apiVersion: v1\nkind: {{ index $forms 0 | quote }}\nmetadata: {{ index $forms 1 | quote }}",
	"an object that is there twice": "{{ range until 2 }}\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ index $forms 0 | quote }}}\n---\n{{ end }}",
	"a list with a name twice":      "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: {{ index $forms 0 | quote }}}, {name: {{ index $forms 0 | quote }}}]}",
	"a hook of no kind":             "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {helm.sh/hook: {{ index $forms 0 | quote }}}}",
	"an include of nothing":         `{{ include (index $forms 0) . }}`,
	"an index that is none":         `{{ index (dict "a" 1) (index $forms 0) "b" "c" }}`,
	"a tpl of it":                   `{{ tpl (printf "{{ %s }}" (index $forms 0)) . }}`,
	"a number that is none":         `{{ mustToDate "2006-01-02" (index $forms 0) }}`,
	"a regular expression":          `{{ mustRegexMatch (printf "(%s" (index $forms 0)) "a" }}`,
}

// Whatever templates make of a secret, no piece of it shows: not in what they fail with,
// in a field that drifted, in a difference, or in what an API server quotes.
func TestNoFormOfASecretGetsOut(t *testing.T) {
	seed := seedNow(t)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 6 {
		secret := randomSecret(r)
		var chains []string
		for range 8 {
			chain := steps[r.IntN(len(steps))]
			for range r.IntN(3) {
				chain += " | " + steps[r.IntN(len(steps))]
			}
			chains = append(chains, "(.Values.password | "+chain+")")
		}
		say := func(where, text string, forms []string) {
			t.Helper()
			for i, f := range forms {
				if piece := common(text, f); piece != "" {
					t.Errorf("seed %d, %s: %s, which is %q, shows %q:\n%s", seed, where, chains[i], f, piece, text)
				}
			}
		}
		p, forms := formsOf(t, secret, chains)
		for _, f := range forms {
			raw, _ := json.Marshal(f)
			want, have := string(raw), `"by hand"`
			p.MaskDrift(&want, &have)
			from, to := "(absent)", string(raw[:min(len(raw), 200)])+"…"
			render.MaskBoth(&from, &to, p)
			refusal := p.Mask(fmt.Sprintf("ConfigMap \"web\" is invalid: data.a: Invalid value: %q: must be short, data.b: Unsupported value: %q: supported values: \"a\"", f, f))
			say("drift", want+have+from+to+refusal, forms)
		}
		for sentence, template := range broken {
			files := secretive(t, "{{ $forms := list "+strings.Join(chains, " ")+" }}\n"+template)
			_, _, err := prepared(t, render.Config{References: things{"Secret prod/hidden": {"password": secret}}}, files)
			if err == nil {
				t.Errorf("%s is accepted", sentence)
				continue
			}
			say(sentence, err.Error(), forms)
		}
	}
}

// secretive is a repository with a release that has a secret value, and one template.
func secretive(t *testing.T, template string) fs.FS {
	t.Helper()
	return repo(t, release("valuesFrom: [{kind: Secret, name: hidden, key: password, targetPath: password}]")+"-- charts/web/templates/c.yaml --\n"+letterWords+template+"\n")
}

// formsOf returns what chains of functions make of a secret.
func formsOf(t *testing.T, secret string, chains []string) (*render.Prepared, []string) {
	t.Helper()
	template := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata:\n"
	for i, c := range chains {
		template += fmt.Sprintf("  f%d: {{ %s | toString | toJson }}\n", i, c)
	}
	p, text, err := prepared(t, render.Config{References: things{"Secret prod/hidden": {"password": secret}}}, secretive(t, template))
	if err != nil {
		t.Fatal(err)
	}
	var object struct{ Data map[string]string }
	if err := yaml.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	forms := make([]string, len(chains))
	for i := range chains {
		forms[i] = object.Data[fmt.Sprintf("f%d", i)]
	}
	return p, forms
}

// common returns eight letters in a row that two texts have in common; empty if none. The words
// that steps put between letters don't count.
func common(a, b string) string {
	between := strings.NewReplacer(" name ", " ", " is ", " ")
	a, b = between.Replace(a), between.Replace(b)
	a, b = strings.Join(strings.FieldsFunc(strings.ToLower(a), notLetter), ""), strings.Join(strings.FieldsFunc(strings.ToLower(b), notLetter), "")
	for i := 0; i+8 <= len(b); i++ {
		if strings.Contains(a, b[i:i+8]) {
			return b[i : i+8]
		}
	}
	return ""
}

func notLetter(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

func randomSecret(r *rand.Rand) string {
	const of = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghijkmnopqrstuvwxyz -_!@#$%^&*()+=/\\\"'<>:;,.?~"
	out := []byte("k") // so that nothing is trimmed
	for range 20 + r.IntN(20) {
		out = append(out, of[r.IntN(len(of))])
	}
	return string(append(out, 'z'))
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
