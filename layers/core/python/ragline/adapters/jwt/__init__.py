"""JSON Web Tokens of an OpenID Connect issuer: Cognito, or any other."""
