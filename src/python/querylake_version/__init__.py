"""The one version number that every QueryLake program reports."""

VERSION = "0.1.0"
