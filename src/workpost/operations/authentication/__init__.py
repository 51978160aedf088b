"""Who sent this message: SPF, DKIM, ARC and DMARC over the resolver."""
