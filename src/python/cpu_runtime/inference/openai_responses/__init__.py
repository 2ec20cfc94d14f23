"""OpenAI's Responses API, as chats: https://platform.openai.com/docs/api-reference/responses

Nothing is stored: a conversation comes whole with every request.
"""
