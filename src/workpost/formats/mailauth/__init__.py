"""What mail is authenticated by: SPF, DKIM, DMARC, ARC and Authentication-Results, without I/O."""
