"use strict";
// Sign-in at an OpenID provider: authorization code with PKCE (RFC 7636), state and nonce, as RFC 9700 recommends. The ID
// token stays in the sessionStorage of this tab and is sent to this origin only. The gateway verifies it.
(() => {
  const main = document.querySelector("main");
  const { clientId, issuer, authorizationEndpoint, tokenEndpoint, signOutUrl } = main.dataset;
  const here = location.origin + location.pathname; // the redirect URI
  const TOKEN = `token ${location.pathname}`; // "" after the gateway refused it
  const ATTEMPT = `sign-in ${location.pathname}`;
  const send = window.fetch.bind(window);

  const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));
  const claims = (token) => JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  const viewUrl = (view) => `${here}?${new URLSearchParams({ view })}`;
  const create = (name, properties) => Object.assign(document.createElement(name), properties);

  const signIn = async (view) => {
    const attempt = { view, state: random(), nonce: random(), verifier: random() };
    sessionStorage.setItem(ATTEMPT, JSON.stringify(attempt));
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(attempt.verifier));
    const address = new URL(authorizationEndpoint);
    const query = {
      response_type: "code", client_id: clientId, redirect_uri: here, scope: "openid", state: attempt.state,
      nonce: attempt.nonce, code_challenge: base64url(digest), code_challenge_method: "S256",
    };
    Object.entries(query).forEach((pair) => address.searchParams.set(...pair));
    location.assign(address);
  };
  const say = (text) => {
    document.getElementById("sign-in-status").textContent = text;
  };
  const invite = (view, text) => {
    const button = document.getElementById("sign-in");
    if (text) say(text);
    button.hidden = false;
    button.addEventListener("click", () => signIn(view));
  };
  const signOut = () => {
    sessionStorage.removeItem(TOKEN);
    location.assign(signOutUrl || here);
  };

  // The answer of the provider: the code is exchanged once, for a token of this client and this attempt.
  const finish = async (answer) => {
    const attempt = JSON.parse(sessionStorage.getItem(ATTEMPT));
    sessionStorage.removeItem(ATTEMPT);
    history.replaceState(null, "", here); // the code does not stay in the address
    if (attempt?.state !== answer.get("state") || (answer.get("iss") ?? issuer) !== issuer) {
      return invite("./", "This sign-in did not start in this tab. Sign in again.");
    }
    if (!answer.has("code")) {
      return invite(attempt.view, `Sign-in failed: ${answer.get("error_description") ?? answer.get("error")}`);
    }
    const body = new URLSearchParams({
      grant_type: "authorization_code", code: answer.get("code"), redirect_uri: here, client_id: clientId,
      code_verifier: attempt.verifier,
    });
    try {
      const response = await send(tokenEndpoint, { method: "POST", body, credentials: "omit", redirect: "error" });
      const { id_token: token } = await response.json();
      const { iss, aud, azp, nonce } = claims(token);
      const isOurs = [aud].flat().includes(clientId) && (azp ?? clientId) === clientId;
      if (iss !== issuer || !isOurs || nonce !== attempt.nonce) throw new Error("another token");
      sessionStorage.setItem(TOKEN, token);
    } catch {
      return invite(attempt.view, "Sign-in failed: the provider sent no token for this page. Sign in again.");
    }
    return show(attempt.view);
  };

  // What the pages fetch gets the token, on this origin only. A refused token is forgotten.
  const sendWithToken = async (target, options = {}) => {
    const headers = new Headers(options.headers);
    if (new URL(target, here).origin !== location.origin) throw new TypeError("another origin");
    headers.set("authorization", `Bearer ${sessionStorage.getItem(TOKEN)}`);
    const response = await send(target, { ...options, headers, redirect: "error", cache: "no-store" });
    if (response.status !== 401) return response;
    sessionStorage.setItem(TOKEN, "");
    location.reload();
    return new Promise(() => {}); // the page is left
  };

  const showPage = (text, address) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    if (page.getElementById("sign-in")) return location.replace(here); // by another path, such as one with a slash more
    page.querySelectorAll("a[href]:not([href^='#'])").forEach((link) => {
      const { origin, pathname, search } = new URL(link.getAttribute("href"), address);
      if (origin === location.origin) link.setAttribute("href", viewUrl(pathname + search));
    });
    document.replaceChild(document.adoptNode(page.documentElement), document.documentElement);
    document.querySelectorAll("script").forEach((script) => {
      script.replaceWith(create("script", { textContent: script.textContent })); // a parsed one does not run
    });
    return undefined;
  };
  const showFile = (text, response) => {
    const header = response.headers.get("content-disposition") ?? "";
    const name = /filename="([^"]+)"/.exec(header)?.[1] ?? `${new URL(response.url).pathname.split("/").at(-1)}.json`;
    const href = URL.createObjectURL(new Blob([text], { type: response.headers.get("content-type") }));
    document.title = name;
    main.replaceChildren(
      create("h1", { textContent: name }),
      create("a", { textContent: "Save", href, download: name, className: "button" }),
      create("pre", { textContent: text, tabIndex: 0 }),
    );
  };
  const show = async (view) => {
    const home = new URL("./", here);
    let address = new URL(view, here);
    if (address.origin !== location.origin || address.pathname === location.pathname) address = home;
    say("Loading\u2026");
    let response;
    try {
      response = await sendWithToken(address, { headers: { accept: "text/html, */*;q=0.5" } });
    } catch {
      return say("The service did not answer. Reload the page.");
    }
    const text = await response.text();
    history.replaceState(null, "", viewUrl(address.pathname + address.search));
    if (response.headers.get("content-type")?.startsWith("text/html")) showPage(text, address);
    else showFile(text, response);
    const button = create("button", { type: "button", id: "sign-out", textContent: "Sign out" });
    button.addEventListener("click", signOut);
    document.querySelector("header").append(button);
    return undefined;
  };

  window.fetch = sendWithToken;
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    event.preventDefault();
    const query = new URLSearchParams(new FormData(event.target));
    location.assign(viewUrl(`${event.target.getAttribute("action")}?${query}`));
  });
  // After "Back" the browser may show a page of before from its memory.
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());

  const query = new URLSearchParams(location.search);
  const view = query.get("view") ?? "./";
  const token = sessionStorage.getItem(TOKEN);
  if (query.has("state") || query.has("error")) finish(query);
  else if (token) show(view);
  else invite(view, token === "" ? "Your sign-in has expired, or the service does not accept it. Sign in again." : "");
})();
