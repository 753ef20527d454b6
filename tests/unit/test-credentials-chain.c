/* SPDX-License-Identifier: Apache-2.0 */
/* The chain: its order, each of its steps, and the line that says why there are none. */
#include "common/aws/credentials-internal.h"

#include "tests/unit/aws-harness.h"

#include <errno.h>
#include <sys/stat.h>

#define EXPIRATION "2099-11-21T22:26:40Z"
#define JSON(id)                                                                                   \
    "{\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":"        \
    "\"" EXPIRATION "\"}"
#define STS                                                                                        \
    "<R><C><AccessKeyId>STS</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t"      \
    "</SessionToken><Expiration>" EXPIRATION "</Expiration></C></R>"
#define DENIED                                                                                     \
    "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not "              \
    "authorized</Message></Error></ErrorResponse>"
#define IDP "<ErrorResponse><Error><Code>IDPCommunicationError</Code></Error></ErrorResponse>"

struct outcome {
    unsigned calls;
    char text[2048];
};

static void on_done(int error, const struct credentials *c, const char *why, void *userdata)
{
    struct outcome *o = userdata;

    o->calls++;
    if (error == 0)
        snprintf(o->text, sizeof(o->text), "%s %s", c->source, c->access_key_id);
    else
        snprintf(o->text, sizeof(o->text), "%s", why);
}

struct fixture {
    struct aws_harness h;
    char home[PATH_MAX];
    char path[PATH_MAX];
    struct imds *imds;
    struct outcome o;
};

static void start(struct fixture *f)
{
    aws_harness_start(&f->h);
    unit_directory_make(f->home);
    f->imds = NULL;
    aws_harness_setenv(&f->h, "HOME", f->home);
}

static void stop(struct fixture *f)
{
    imds_free(f->imds);
    aws_harness_stop(&f->h);
    unit_directory_remove(f->home);
}

/* What the chain ends with. */
static const char *run(struct fixture *f)
{
    struct credentials_provider *p;

    f->o = (struct outcome){0};
    assert_int_equal(
        credentials_provider_new(&p, f->h.event, f->h.http, f->imds, aws_harness_getenv, &f->h), 0);
    assert_int_equal(credentials_get(p, on_done, &f->o, NULL), 0);
    aws_harness_run(&f->h, &f->o.calls, 1);
    credentials_provider_free(p);
    return f->o.text;
}

static void expect(struct fixture *f, const char *wanted)
{
    run(f);
    if (!strstr(f->o.text, wanted))
        fail_msg("\"%s\" has no \"%s\"", f->o.text, wanted);
}

/* A file in the home; returns its path, until the next. */
static const char *write_file(struct fixture *f, const char *name, const char *text)
{
    char directory[PATH_MAX];
    FILE *file;

    snprintf(directory, sizeof(directory), "%.1024s/.aws", f->home);
    mkdir(directory, 0700);
    snprintf(f->path, sizeof(f->path), "%.1024s/%s", f->home, name);
    file = fopen(f->path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return f->path;
}

static struct fake_answer answer_all(struct aws_harness *h, const struct fake_request *request)
{
    if (strcmp(request->path, "/container") == 0)
        return (struct fake_answer){200, NULL, JSON("CONTAINER")};
    if (strcmp(request->path, "/latest/api/token") == 0)
        return (struct fake_answer){200, NULL, "token"};
    if (strcmp(request->path, "/latest/meta-data/iam/security-credentials/") == 0)
        return (struct fake_answer){200, NULL, "role"};
    if (strcmp(request->path, "/latest/meta-data/iam/security-credentials/role") == 0)
        return (struct fake_answer){200, NULL, JSON("IMDS")};
    if (strcmp(request->path, "/") == 0)
        return (struct fake_answer){200, NULL, STS};
    return (struct fake_answer){404};
}

/* All are there; each in turn is taken away. */
static void test_order(void **state)
{
    struct fixture f;
    char url[128], token[PATH_MAX];

    start(&f);
    f.h.handler = answer_all;
    snprintf(url, sizeof(url), "%s/container", f.h.url);
    snprintf(token, sizeof(token), "%s", write_file(&f, "token", "web-token\n"));
    write_file(&f, ".aws/credentials",
               "[default]\naws_access_key_id=FILE\naws_secret_access_key=s\n");
    aws_harness_setenv(&f.h, "AWS_ACCESS_KEY_ID", "ENV");
    aws_harness_setenv(&f.h, "AWS_SECRET_ACCESS_KEY", "s");
    aws_harness_setenv(&f.h, "AWS_WEB_IDENTITY_TOKEN_FILE", token);
    aws_harness_setenv(&f.h, "AWS_ROLE_ARN", "arn:aws:iam::1:role/x");
    aws_harness_setenv(&f.h, "AWS_REGION", "eu-west-1");
    aws_harness_setenv(&f.h, "AWS_ENDPOINT_URL_STS", f.h.url);
    aws_harness_setenv(&f.h, "AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
    aws_harness_setenv(&f.h, "AWS_EC2_METADATA_SERVICE_ENDPOINT", f.h.url);
    assert_int_equal(imds_new(&f.imds, f.h.event, f.h.http, aws_harness_getenv, &f.h), 0);
    assert_string_equal(run(&f), "environment ENV");
    aws_harness_setenv(&f.h, "AWS_ACCESS_KEY_ID", NULL);
    assert_string_equal(run(&f), "web identity STS");
    aws_harness_setenv(&f.h, "AWS_WEB_IDENTITY_TOKEN_FILE", "");
    assert_string_equal(run(&f), "shared file FILE");
    write_file(&f, ".aws/credentials", "");
    write_file(&f, ".aws/config", "[default]\naws_access_key_id=CONFIG\naws_secret_access_key=s\n");
    assert_string_equal(run(&f), "shared file CONFIG");
    write_file(&f, ".aws/config", "[default]\nregion = eu-west-1\n");
    assert_string_equal(run(&f), "container CONTAINER");
    aws_harness_setenv(&f.h, "AWS_CONTAINER_CREDENTIALS_FULL_URI", NULL);
    assert_string_equal(run(&f), "IMDS IMDS");
    stop(&f);
}

/* The whole line, once. */
static void test_why(void **state)
{
    struct fixture f;
    char wanted[4 * PATH_MAX];

    start(&f);
    aws_harness_setenv(&f.h, "AWS_EC2_METADATA_DISABLED", "true");
    assert_int_equal(imds_new(&f.imds, f.h.event, f.h.http, aws_harness_getenv, &f.h), 0);
    snprintf(wanted, sizeof(wanted),
             "no credentials: environment: AWS_ACCESS_KEY_ID is not set; web identity: "
             "AWS_WEB_IDENTITY_TOKEN_FILE is not set; shared file: %s/.aws/credentials: no such "
             "file; shared file: %s/.aws/config: no such file; container: "
             "AWS_CONTAINER_CREDENTIALS_*_URI is not set; IMDS: switched off by "
             "AWS_EC2_METADATA_DISABLED",
             f.home, f.home);
    assert_string_equal(run(&f), wanted);
    stop(&f);
}

/* What is configured but broken ends the chain, though IMDS has some. */
static void test_environment(void **state)
{
    struct fixture f;

    start(&f);
    f.h.handler = answer_all;
    aws_harness_setenv(&f.h, "AWS_EC2_METADATA_SERVICE_ENDPOINT", f.h.url);
    assert_int_equal(imds_new(&f.imds, f.h.event, f.h.http, aws_harness_getenv, &f.h), 0);
    aws_harness_setenv(&f.h, "AWS_ACCESS_KEY_ID", "A");
    assert_string_equal(run(&f), "no credentials: environment: AWS_ACCESS_KEY_ID is set, "
                                 "AWS_SECRET_ACCESS_KEY is not");
    aws_harness_setenv(&f.h, "AWS_SECRET_ACCESS_KEY", "s s");
    expect(&f, "has blanks in it");
    assert_null(strstr(f.o.text, "s s"));
    aws_harness_setenv(&f.h, "AWS_SECRET_ACCESS_KEY", "s");
    assert_string_equal(run(&f), "environment A");
    assert_int_equal(f.h.n_requests, 0);
    stop(&f);
}

static void test_files(void **state)
{
    static const char both[] = "[default]\naws_access_key_id=D\naws_secret_access_key=s\n"
                               "[prod]\naws_access_key_id=P\naws_secret_access_key=s\n"
                               "[half]\naws_access_key_id=H\n";
    static const char config[] = "[profile role]\nrole_arn = arn\nsource_profile = default\n"
                                 "[profile sso]\nsso_session = x\n"
                                 "[profile process]\ncredential_process = /bin/x\n"
                                 "[profile region]\nregion = x\n"
                                 "[profile prod]\nregion = x\n";
    static const struct {
        const char *profile, *wanted;
    } cases[] = {
        {NULL, "shared file D"},
        {"", "shared file D"},
        {"prod", "shared file P"},
        {"half", "profile half has no aws_secret_access_key"},
        {"role", "profile role uses role_arn, which is not supported"},
        {"sso", "profile sso uses sso_session, which is not supported"},
        {"process", "profile process uses credential_process, which is not supported"},
        {"gone", "no profile gone"},
        {"region", "no keys in profile region; container:"}, /* it goes on */
    };
    struct fixture f;

    start(&f);
    write_file(&f, ".aws/credentials", both);
    write_file(&f, ".aws/config", config);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        aws_harness_setenv(&f.h, "AWS_PROFILE", cases[i].profile);
        expect(&f, cases[i].wanted);
        if (cases[i].profile && strcmp(cases[i].profile, "gone") == 0)
            assert_null(
                strstr(f.o.text, "container")); /* a named profile that is nowhere: the end */
    }
    stop(&f);
}

static void test_file_trouble(void **state)
{
    struct fixture f;
    char path[PATH_MAX];
    char *large = calloc(1, CREDENTIALS_FILE_LIMIT + 2);

    start(&f);
    aws_harness_setenv(&f.h, "HOME", NULL);
    expect(&f, "neither AWS_SHARED_CREDENTIALS_FILE nor HOME is set");
    aws_harness_setenv(&f.h, "HOME", f.home);
    snprintf(path, sizeof(path), "%s", write_file(&f, "mine", "[default]\nwhat\n"));
    aws_harness_setenv(&f.h, "AWS_SHARED_CREDENTIALS_FILE", path);
    expect(&f, "mine: line 2 is no setting");
    aws_harness_setenv(&f.h, "AWS_SHARED_CREDENTIALS_FILE", "~/mine");
    expect(&f, "mine: line 2 is no setting");
    memset(large, '#', CREDENTIALS_FILE_LIMIT + 1);
    write_file(&f, "mine", large);
    expect(&f, "mine: File too large");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect(&f, "mine: not a regular file");
    aws_harness_setenv(&f.h, "AWS_SHARED_CREDENTIALS_FILE", f.home);
    expect(&f, "not a regular file");
    free(large);
    stop(&f);
}

static void test_web_identity(void **state)
{
    static const struct {
        const char *what;
        struct fake_answer script[3];
        size_t n_script, n_requests;
        const char *wanted;
    } cases[] = {
        {"good", {{200, NULL, STS}}, 1, 1, "web identity STS"},
        {"500 once", {{500}, {200, NULL, STS}}, 2, 2, "web identity STS"},
        {"dropped once", {{.mode = FAKE_DROP}, {200, NULL, STS}}, 2, 2, "web identity STS"},
        {"the provider is not reached",
         {{400, NULL, IDP}, {200, NULL, STS}},
         2,
         2,
         "web identity STS"},
        {"500 to the last", {{500}}, 1, 3, "web identity: STS answers 500"},
        {"denied",
         {{403, NULL, DENIED}},
         1,
         1,
         "web identity: STS says AccessDenied: Not authorized"},
        {"nonsense", {{200, NULL, "{}"}}, 1, 1, "web identity: STS's answer has no credentials"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture f;

        start(&f);
        aws_harness_setenv(&f.h, "AWS_WEB_IDENTITY_TOKEN_FILE",
                           write_file(&f, "token", "a.b+c/d=\n"));
        expect(&f, "AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not");
        aws_harness_setenv(&f.h, "AWS_ROLE_ARN", "arn:aws:iam::1:role/x");
        expect(&f, "AWS_REGION is not set");
        aws_harness_setenv(&f.h, "AWS_REGION", "eu-west-1");
        aws_harness_setenv(&f.h, "AWS_ENDPOINT_URL_STS", f.h.url);
        aws_harness_setenv(&f.h, "AWS_ROLE_SESSION_NAME", "me");
        aws_harness_script(&f.h, cases[i].script, cases[i].n_script);
        run(&f);
        if (!strstr(f.o.text, cases[i].wanted) || f.h.n_requests != cases[i].n_requests)
            fail_msg("%s: \"%s\", %zu requests", cases[i].what, f.o.text, f.h.n_requests);
        assert_string_equal(f.h.requests[0].method, "POST");
        assert_string_equal(f.h.requests[0].body,
                            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%"
                            "3Aiam%3A%3A1%3Arole%2Fx&RoleSessionName=me&WebIdentityToken=a.b%2Bc%"
                            "2Fd%3D");
        write_file(&f, "token", "two\nlines");
        expect(&f, "token: no token in it");
        unlink(f.path);
        expect(&f, "token: No such file or directory"); /* and nothing behind it */
        assert_null(strstr(f.o.text, "shared file"));
        stop(&f);
    }
}

static void test_container(void **state)
{
    static const struct {
        const char *what;
        struct fake_answer script[3];
        size_t n_script, n_requests;
        const char *wanted;
    } cases[] = {
        {"good", {{200, NULL, JSON("C")}}, 1, 1, "container C"},
        {"500 once", {{500}, {200, NULL, JSON("C")}}, 2, 2, "container C"},
        {"slow once", {{.mode = FAKE_HANG}, {200, NULL, JSON("C")}}, 2, 2, "container C"},
        {"500 to the last", {{500}}, 1, 3, "container: its credentials' address answers 500"},
        {"404", {{404}}, 1, 1, "container: its credentials' address answers 404"},
        {"nonsense", {{200, NULL, "{}"}}, 1, 1, "answers with no credentials"},
        {"an error", {{200, NULL, "{\"Code\":\"Failed\"}"}}, 1, 1, "answers with an error"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture f;
        char url[128], *header;

        start(&f);
        snprintf(url, sizeof(url), "%s/v1/credentials?id=1", f.h.url);
        aws_harness_setenv(&f.h, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/");
        expect(&f, "container: AWS_CONTAINER_CREDENTIALS_FULL_URI is refused");
        assert_null(strstr(f.o.text, "IMDS"));
        aws_harness_setenv(&f.h, "AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
        aws_harness_setenv(&f.h, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic x");
        aws_harness_script(&f.h, cases[i].script, cases[i].n_script);
        run(&f);
        if (!strstr(f.o.text, cases[i].wanted) || f.h.n_requests != cases[i].n_requests)
            fail_msg("%s: \"%s\", %zu requests", cases[i].what, f.o.text, f.h.n_requests);
        header = fake_header(&f.h.requests[0], "Authorization");
        assert_string_equal(header, "Basic x");
        assert_string_equal(f.h.requests[0].path, "/v1/credentials?id=1");
        free(header);
        stop(&f);
    }
}

/* The file wins over the variable, and is read at each refresh; a header can't be smuggled in. */
static void test_container_token(void **state)
{
    static const struct fake_answer script[] = {{200, NULL, JSON("C")}};
    struct fixture f;
    char url[128];

    start(&f);
    SCRIPT(&f.h, script);
    snprintf(url, sizeof(url), "%s/c", f.h.url);
    aws_harness_setenv(&f.h, "AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
    aws_harness_setenv(&f.h, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\r\nX: y");
    expect(&f, "more than one line");
    aws_harness_setenv(&f.h, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                       write_file(&f, "token", "first\n"));
    assert_string_equal(run(&f), "container C");
    write_file(&f, "token", "second\n");
    assert_string_equal(run(&f), "container C");
    for (size_t i = 0; i < 2; i++) {
        char *header = fake_header(&f.h.requests[i], "Authorization");

        assert_string_equal(header, i == 0 ? "first" : "second");
        free(header);
    }
    aws_harness_setenv(&f.h, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@example.com/");
    expect(&f, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is refused");
    stop(&f);
}

static void test_imds(void **state)
{
    static const struct {
        struct fake_answer script[3];
        size_t n_script;
        const char *wanted;
    } cases[] = {
        {{{200, NULL, "t"}, {404}}, 2, "IMDS: no role is attached to this instance (404)"},
        {{{200, NULL, "t"}, {200, NULL, "\n"}}, 2, "IMDS: no role is attached"},
        {{{200, NULL, "t"}, {200, NULL, "a/b"}}, 2, "IMDS: answers nonsense"},
        {{{200, NULL, "t"}, {200, NULL, "a b"}}, 2, "IMDS: answers nonsense"},
        {{{403}}, 1, "IMDS: refused (403"},
        {{{200, NULL, "t"}, {503}}, 2, "IMDS: answers with errors"},
        {{{200, NULL, "t"}, {200, NULL, "r"}, {200, NULL, "{\"Code\":\"Failed\"}"}},
         3,
         "IMDS: the role can't be assumed by EC2"},
        {{{200, NULL, "t"}, {200, NULL, "r"}, {200, NULL, "<html>"}}, 3, "IMDS: answers nonsense"},
        {{{200, NULL, "t"}, {200, NULL, "r\nother"}, {200, NULL, JSON("I")}}, 3, "IMDS I"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture f;

        start(&f);
        aws_harness_setenv(&f.h, "AWS_EC2_METADATA_SERVICE_ENDPOINT", f.h.url);
        assert_int_equal(imds_new(&f.imds, f.h.event, f.h.http, aws_harness_getenv, &f.h), 0);
        aws_harness_script(&f.h, cases[i].script, cases[i].n_script);
        expect(&f, cases[i].wanted);
        stop(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),        cmocka_unit_test(test_why),
        cmocka_unit_test(test_environment),  cmocka_unit_test(test_files),
        cmocka_unit_test(test_file_trouble), cmocka_unit_test(test_web_identity),
        cmocka_unit_test(test_container),    cmocka_unit_test(test_container_token),
        cmocka_unit_test(test_imds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
