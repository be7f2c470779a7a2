"""The switch in a world with a fake clock: hosts that fail, agents, CloudWatch, Lambda, clients.

Everything that decides is the product's own code; what stands here is the world around it. All of
it is made from one seed, so that a scenario that goes wrong can be run again.
"""
