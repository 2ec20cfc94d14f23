function UsagePage() { return html`<h1 tabindex="-1">Usage</h1>`; }
