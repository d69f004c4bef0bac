/* tls.c - reads and checks; libmicrohttpd uses them. SPDX-License-Identifier: Apache-2.0 */
#include "compose/shina/tls.h"
#include "bus/log/log.h"
#include "compose/process/home.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (1024 * 1024)
#define CERTIFICATE "SHINA_TLS_CERTIFICATE"
#define KEY "SHINA_TLS_KEY"

static bus_code
read_file(const char *name, const char *path, char **out, bus_error *err)
{
    FILE  *f = fopen(path, "re");
    char  *text;
    size_t len;

    if (f == NULL)
        return bus_fail(err, BUS_INVALID, "%s: %.150s: %s", name, path, strerror(errno));
    text = calloc(1, FILE_BYTES_MAX + 1);
    if (text == NULL)
        abort();
    len = fread(text, 1, FILE_BYTES_MAX, f);
    if (ferror(f) != 0 || len == FILE_BYTES_MAX || strlen(text) != len) {
        (void)fclose(f);
        OPENSSL_cleanse(text, FILE_BYTES_MAX);
        free(text);
        return bus_fail(err, BUS_INVALID, "%s: %.150s cannot be read, or is no text", name, path);
    }
    (void)fclose(f);
    *out = text;
    return BUS_OK;
}

static bus_code
check(const char *certificate, const char *key, bus_error *err)
{
    BIO      *of_certificate = BIO_new_mem_buf(certificate, -1), *of_key = BIO_new_mem_buf(key, -1);
    X509     *x = PEM_read_bio_X509(of_certificate, NULL, NULL, NULL);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(of_key, NULL, NULL, (void *)(uintptr_t) "");
    bus_code  rc = BUS_OK;

    if (x == NULL)
        rc = bus_fail(err, BUS_INVALID, CERTIFICATE ": there is no certificate in PEM in it");
    else if (pkey == NULL)
        rc = bus_fail(err, BUS_INVALID,
                      KEY ": there is no private key in PEM in it, or it has a "
                          "password");
    else if (X509_check_private_key(x, pkey) != 1)
        rc = bus_fail(err, BUS_INVALID, KEY " is not the key of " CERTIFICATE);
    else if (X509_cmp_current_time(X509_get0_notAfter(x)) < 0)
        bus_log_warn("tls.certificate_over", BUS_KV("key", CERTIFICATE));
    ERR_clear_error();
    X509_free(x);
    EVP_PKEY_free(pkey);
    BIO_free(of_certificate);
    BIO_free(of_key);
    return rc;
}

bus_code
shina_tls_load(const bus_config *config, char **certificate, char **key, bus_error *err)
{
    const char *certificate_path = bus_config_text(config, CERTIFICATE);
    const char *key_path = bus_config_text(config, KEY);
    bus_code    rc;

    *certificate = *key = NULL;
    if (certificate_path == NULL && key_path == NULL)
        return BUS_OK;
    if (certificate_path == NULL || key_path == NULL)
        return bus_fail(err, BUS_INVALID, "%s is set and %s is not: TLS needs both",
                        key_path == NULL ? CERTIFICATE : KEY, key_path == NULL ? KEY : CERTIFICATE);
    if ((rc = read_file(CERTIFICATE, certificate_path, certificate, err)) != BUS_OK ||
        (rc = read_file(KEY, key_path, key, err)) != BUS_OK ||
        (rc = check(*certificate, *key, err)) != BUS_OK) {
        shina_tls_free(*certificate, *key);
        *certificate = *key = NULL;
    }
    shina_home_check_secret(key_path);
    return rc;
}

void
shina_tls_free(char *certificate, char *key)
{
    if (key != NULL)
        OPENSSL_cleanse(key, strlen(key));
    free(certificate);
    free(key);
}

const char *
shina_tls_scheme(const bus_config *config)
{
    return bus_config_text(config, CERTIFICATE) == NULL ? "http" : "https";
}

void
shina_tls_trust(const bus_config *config, CURL *curl)
{
    const char *path = bus_config_text(config, CERTIFICATE);

    if (path == NULL)
        return;
    (void)curl_easy_setopt(curl, CURLOPT_CAINFO, path);
    (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
}
