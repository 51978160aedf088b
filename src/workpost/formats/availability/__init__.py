"""Free/busy as other systems tell it: the answer of a Lambda function, and EWS over SOAP."""
