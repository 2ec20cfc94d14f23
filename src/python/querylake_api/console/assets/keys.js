function KeysPage() { return html`<h1 tabindex="-1">Keys</h1>`; }
