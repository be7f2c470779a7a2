"""How each resource of the Pulumi program is made in moto, one file a service, through boto3."""
