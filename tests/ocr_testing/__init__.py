"""Documents that the tests of `ocr` convert, made on the spot."""
