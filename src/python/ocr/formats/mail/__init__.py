"""Mail as it is stored: EML (RFC 5322 and MIME) and Outlook's MSG (MS-OXMSG)."""
