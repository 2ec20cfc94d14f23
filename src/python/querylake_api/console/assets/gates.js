function GatesPage() { return html`<h1 tabindex="-1">Gates</h1>`; }
