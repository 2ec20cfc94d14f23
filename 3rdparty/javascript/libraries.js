// Everything that the console takes from libraries, as one script without imports.
import htm from "htm";
import { Fragment, h, render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";

window.libraries = { Fragment, html: htm.bind(h), render, uPlot, useEffect, useRef, useState };
