"""Files whose text is written in them: office documents, web pages, mail, plain text."""
