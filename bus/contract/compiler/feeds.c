/* feeds.c - the feeds of events at the edge, in both published documents: the route of OpenAPI, and
 * a channel per domain of AsyncAPI.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/compiler/model.h"

json_t *
cloud_event_schema(void)
{
    return parsed(
        "{'type':'object','description':'CloudEvents 1.0, JSON format. What a role may not see of "
        "the data is null.','required':['specversion','id','source','type','subject','time',"
        "'partition','offset','streamversion','tenant','data'],'properties':{"
        "'specversion':{'type':'string','const':'1.0'},"
        "'id':{'type':'string','description':'<command id>:<nth event of it>; unique.'},"
        "'source':{'type':'string','description':'/shina/<domain>'},"
        "'type':{'type':'string','description':'The full name of the event.'},"
        "'subject':{'type':'string','format':'uuid','description':'The stream.'},"
        "'time':{'type':'string','format':'date-time'},"
        "'datacontenttype':{'type':'string','const':'application/json'},"
        "'partition':{'type':'integer','description':'Of the log.'},"
        "'offset':{'type':'string','pattern':'^[0-9]+$','description':'A whole number, without "
        "gaps in the log; with the partition it names the event.'},"
        "'streamversion':{'type':'integer','minimum':1,'description':'Without gaps in the "
        "stream.'},"
        "'tenant':{'type':'string','format':'uuid'},"
        "'traceparent':{'type':'string','description':'W3C Trace Context of the command.'},"
        "'actor':{'type':'string','format':'uuid','description':'Who did it; for ADMIN.'},"
        "'causation':{'type':'string','description':'The event that it follows from; for ADMIN.'},"
        "'data':{'type':'object'}}}");
}

/* --- OpenAPI --------------------------------------------------------------------------------- */

static json_t *
parameters(contract *const *all, int count)
{
    json_t *out = parsed(
        "[{'name':'domain','in':'path','required':true,'schema':{'type':'string'}},"
        "{'name':'after','in':'query','schema':{'type':'string'},'description':'A cursor; or a "
        "position that an answer carried: its partition goes on after it, the others begin at "
        "their beginning; or latest. Left out: from the beginning.'},"
        "{'name':'limit','in':'query','schema':{'type':'integer','minimum':1,'maximum':1000,"
        "'default':100},'description':'Events of a batch.'},"
        "{'name':'wait_s','in':'query','schema':{'type':'integer','minimum':0,'maximum':30,"
        "'default':0},'description':'How long a batch waits for its first event.'},"
        "{'name':'Last-Event-ID','in':'header','schema':{'type':'string'},'description':'A cursor, "
        "for text/event-stream; it counts more than after.'},"
        "{'name':'Sec-WebSocket-Protocol','in':'header','schema':{'type':'string'},'description':"
        "'shina.events.v1, bearer.<token>: for browsers, in place of Authorization.'}]");
    json_t *domains = json_array();

    for (int c = 0; c < count; c++)
        add(domains, json_string(all[c]->module));
    put(json_object_get(json_array_get(out, 0), "schema"), "enum", domains);
    return out;
}

json_t *
feed_operation(contract *const *all, int count)
{
    static const char *const problems[] = {"400", "401", "403", "404", "410", "422", "426", "503"};
    json_t                  *responses;
    json_t                  *op = parsed(
                         "{'tags':['shina'],'operationId':'events','summary':'The events of a domain, from a cursor "
                                          "on.','description':'What a role sees follows from the views that it may read: the events "
                                          "of an aggregate whose view it reads, of its own streams if only its own rows; without "
                                          "what "
                                          "is masked there. In order per partition, so per stream, each once. With Accept: "
                                          "text/event-stream as server-sent events, whose id is the cursor; with Upgrade: websocket "
                                          "as "
                                          "messages {cursor, event}. Who reads too slowly is cut off.','responses':{"
                                          "'101':{'description':'A WebSocket. Close codes: 1008 too slow, or the token has expired; "
                                          "1001 the server stops.'},"
                                          "'200':{'description':'A batch, empty if nothing came in time; or server-sent events, the "
                                          "last of which may be an error with a Problem.','headers':{"
                                          "'X-Cursor':{'description':'Where to go on.','schema':{'type':'string'}},"
                                          "'Link':{'description':'The address to go on at; rel=next.','schema':{'type':'string'}}},"
                                          "'content':{'application/cloudevents-batch+json':{'schema':{'type':'array',"
                                          "'items':{'$ref':'#/components/schemas/CloudEvent'}}},"
                                          "'text/event-stream':{'schema':{'type':'string'}}}}}}");

    responses = json_object_get(op, "responses");
    for (size_t i = 0; i < sizeof(problems) / sizeof(problems[0]); i++)
        put(responses, problems[i], parsed("{'$ref':'#/components/responses/Problem'}"));
    put(op, "parameters", parameters(all, count));
    return op;
}

/* --- AsyncAPI -------------------------------------------------------------------------------- */

json_t *
feed_servers(void)
{
    return parsed(
        "{'http':{'host':'127.0.0.1:8080','protocol':'http','description':'Batches by long poll, "
        "and server-sent events (Accept: text/event-stream).','security':[{'$ref':"
        "'#/components/securitySchemes/token'}]},"
        "'ws':{'host':'127.0.0.1:8080','protocol':'ws','description':'The same address with "
        "Upgrade: websocket; each message is {cursor, event}. A browser gives its token as the "
        "subprotocol bearer.<token> beside shina.events.v1.','security':[{'$ref':"
        "'#/components/securitySchemes/token'}]},"
        "'kafka':{'host':'127.0.0.1:9092','protocol':'kafka','description':'Topics.'}}");
}

/* The message of an event: a CloudEvent in JSON format with the data of the topic's message. */
static json_t *
feed_message(const contract *c, const message *e)
{
    json_t *m = json_object(), *payload = parsed("{'allOf':[{'$ref':"
                                                 "'#/components/schemas/cloudEvent'}]}");
    json_t *rest = json_object(), *properties = json_object(), *its_type = json_object(),
           *data = json_object();

    put_text(m, "name", e->type);
    put_text(m, "title", e->type);
    put_text(m, "contentType", "application/cloudevents+json");
    put_text(its_type, "const", e->type);
    put_text(data, "$ref",
             text("#/channels/%s/messages/%s.v%d/payload", c->module, e->name, e->version));
    put(properties, "type", its_type);
    put(properties, "data", data);
    put(rest, "properties", properties);
    add(json_object_get(payload, "allOf"), rest);
    put(m, "payload", payload);
    return m;
}

json_t *
feed_channel(const contract *c)
{
    json_t *messages = json_object();
    json_t *channel =
        parsed("{'servers':[{'$ref':'#/servers/http'},{'$ref':'#/servers/ws'}],'bindings':{'ws':{"
               "'method':'GET','query':{'type':'object','properties':{'after':{'type':'string',"
               "'description':'A cursor, a position, or latest.'}}},'bindingVersion':'0.1.0'}}}");

    for (int a = 0; a < c->aggregates_count; a++)
        for (int i = 0; i < c->aggregates[a].events_count; i++) {
            const message *e = &c->aggregates[a].events[i];

            put(messages, text("%s.v%d", e->name, e->version), feed_message(c, e));
        }
    put_text(channel, "address", text("/api/v1/events/%s", c->module));
    put_text(channel, "title", text("%s at the edge", c->module));
    put_text(channel, "description",
             "In the scope of the caller's tenant and roles; resumed by cursor.");
    put(channel, "messages", messages);
    return channel;
}

json_t *
feed_sending(const contract *c)
{
    json_t *op =
        parsed("{'action':'send','bindings':{'http':{'method':'GET','query':{'type':'object',"
               "'properties':{'after':{'type':'string'},'limit':{'type':'integer','minimum':1,"
               "'maximum':1000},'wait_s':{'type':'integer','minimum':0,'maximum':30}}},"
               "'bindingVersion':'0.3.0'}}}");
    json_t *ref = json_object(), *tag = json_object(), *tags = json_array();

    put_text(ref, "$ref", text("#/channels/%s_feed", c->module));
    put(op, "channel", ref);
    put_text(op, "summary",
             text("Events of %s as they happen, in order per partition, each once.", c->module));
    put_text(tag, "name", c->module);
    add(tags, tag);
    put(op, "tags", tags);
    return op;
}
