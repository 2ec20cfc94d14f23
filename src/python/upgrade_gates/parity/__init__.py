"""Answer parity of two engines, asked over HTTP: `parity contract` and `parity verify`."""
