"""Deployments of the template and their parameters."""

CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f"
JWT = {"ApiAuth": "JWT", "JwtIssuer": "https://issuer.example", "JwtAudience": "one,two"}
SIGN_IN = {
    "SignInClientId": "one",
    "SignInAuthorizationEndpoint": "https://login.example/authorize",
    "SignInTokenEndpoint": "https://login.example/token?policy=1",
    "SignOutUrl": "https://login.example/logout?client_id=one",
}
WEBHOOK = {
    "MlflowTrackingUri": "https://mlflow.example",
    "MlflowHookSecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hook-AbCdEf",
}
DEPLOYMENTS: dict[str, dict[str, str]] = {
    "as it is": {},
    "JWT": JWT,
    "sign-in": {**JWT, **SIGN_IN},
    "public": {"ApiAuth": "NONE", "CorsOrigin": "https://example.com"},
    "read-only": {"ApiAuth": "NONE", "ReadOnly": "true"},
    "existing bucket": {"CreateBucket": "false", "BucketName": "my-bucket"},
    "webhook": WEBHOOK,
    "everything": {
        **JWT,
        **SIGN_IN,
        **WEBHOOK,
        "BucketName": "my-bucket",
        "MlflowSecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mlflow-AbCdEf",
        "MlflowArtifactsArn": "arn:aws:s3:::mlflow-artifacts/*",
        "RefreshSubnetIds": "subnet-1,subnet-2",
        "RefreshSecurityGroupIds": "sg-1",
        "AlarmEmail": "me@example.com",
        "AlarmTopicArn": "arn:aws:sns:eu-central-1:123456789012:pager",
        "BucketKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f",
        "Tracing": "Active",
        "Release": "0123456789abcdef",
        "DomainName": "forecast.example.com",
        "CertificateArn": CERTIFICATE,
        "HostedZoneId": "Z0123456789",
        "ReservedConcurrency": "50",
        "ProvisionedConcurrency": "2",
    },
}
