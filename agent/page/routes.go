package page

import "net/http"

// Handler answers at / and below.
func (p *Pages) Handler() http.Handler {
	p.seal.reader, p.seal.now = p.Reader, p.Now
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.page((*Pages).overview))
	mux.HandleFunc("GET /environments/{environment}", p.page((*Pages).environment))
	mux.HandleFunc("GET /environments/{environment}/commits/{commit}", p.page((*Pages).commit))
	mux.HandleFunc("GET /environments/{environment}/releases/{release}", p.page((*Pages).release))
	mux.HandleFunc("GET /live", p.live)
	mux.HandleFunc("GET /environments/{environment}/live", p.live)
	mux.HandleFunc("GET /assets/{name}", asset)
	if p.SignIn {
		mux.HandleFunc("POST /sign-in", p.signIn)
		mux.HandleFunc("POST /sign-out", p.signOut)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		p.refuse(w, r, http.StatusNotFound, "there is no such page")
	})
	return protected(mux)
}

// policy lets a page load what this server gives it, and nothing else, and be shown in no
// other page.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func protected(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
