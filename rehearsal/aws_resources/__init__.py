"""How each resource of the Pulumi program is made in moto through boto3, by what it is for."""
