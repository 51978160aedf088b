"""The Amazon WorkMail and Message Flow APIs: signature, model, dispatch, actions."""
