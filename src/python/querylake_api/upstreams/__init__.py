"""The engines behind the API, one by one: are they well, and may they be sent requests?"""
