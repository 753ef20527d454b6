/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process's environment and the distribution say of requests: proxies and trusted
 * certificates.
 */
#pragma once

/*
 * The proxy for |url|, borrowed from the environment; "" for none: https_proxy or HTTPS_PROXY for
 * https, http_proxy or HTTP_PROXY for http, then all_proxy or ALL_PROXY. libcurl itself passes over
 * HTTP_PROXY, which CGI programs can't trust; AWS's tools read it, and agentd is no CGI program.
 */
const char *http_environment_proxy(const char *url);
/* The hosts without one, as no_proxy or NO_PROXY lists them; "" for none. */
const char *http_environment_no_proxy(void);

/* At most one of both is set; none: libcurl's own default. */
struct http_trust {
    char *file;      /* a bundle in PEM */
    char *directory; /* certificates by the hash of their subject */
};

/*
 * AWS_CA_BUNDLE, else SSL_CERT_FILE, else the distribution's. Of that a directory of hashes is
 * preferred: from it only the certificates of a chain are read, while a whole bundle of 140 costs
 * 0.8 MB and 20 ms at the first connection. |directory| and |file| are libcurl's defaults, looked
 * at first; NULL for none. They may be another distribution's than the one it runs on. 0 or
 * -ENOMEM.
 */
int http_environment_trust(const char *directory, const char *file, struct http_trust *ret);
void http_trust_done(struct http_trust *trust);
