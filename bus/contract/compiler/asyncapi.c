/* asyncapi.c - the event streams of all domains as an AsyncAPI 3.0 document.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/compiler/model.h"

/* As bus/envelope/cloudevent.h writes them. */
static json_t *
headers(void)
{
    return parsed(
        "{'type':'object','description':'CloudEvents 1.0, binary mode. The key is the subject.',"
        "'required':['ce_specversion','ce_id','ce_source','ce_type','ce_subject','ce_time',"
        "'content-type','ce_partition','ce_offset','ce_streamversion','ce_tenant','ce_epoch',"
        "'ce_digest'],'properties':{"
        "'ce_specversion':{'type':'string','const':'1.0'},"
        "'ce_id':{'type':'string','description':'<command id>:<nth event of it>; unique.'},"
        "'ce_source':{'type':'string','description':'/shina/<domain>'},"
        "'ce_type':{'type':'string','description':'The full name of the event.'},"
        "'ce_subject':{'type':'string','format':'uuid','description':'The stream.'},"
        "'ce_time':{'type':'string','format':'date-time'},"
        "'content-type':{'type':'string','const':'application/json'},"
        "'ce_partition':{'type':'string','description':'Partition of the log; the topic has the "
        "same.'},"
        "'ce_offset':{'type':'string','description':'Of the log, not of the topic. Gapless within "
        "the partition; drop what you have seen.'},"
        "'ce_streamversion':{'type':'string','description':'Without gaps in the stream.'},"
        "'ce_tenant':{'type':'string','format':'uuid'},"
        "'traceparent':{'type':'string','description':'W3C Trace Context of the command.'},"
        "'ce_actor':{'type':'string','format':'uuid','description':'Who did it.'},"
        "'ce_causation':{'type':'string','description':'The event that it follows from.'},"
        "'ce_aggregate':{'type':'string','description':'Which kind of stream.'},"
        "'ce_epoch':{'type':'string','description':'Of the lease it was written under.'},"
        "'ce_digest':{'type':'string','description':'Of the command, a signed number.'},"
        "'ce_devicetime':{'type':'string','format':'date-time','description':'When a device says "
        "that it was.'},"
        "'ce_actorjson':{'type':'string','contentMediaType':'application/json','description':'Who "
        "did it, with roles, grants and driver_id.'}}}");
}

static json_t *
event_message(const contract *c, const message *e)
{
    const json_t *valid = json_object_get(json_object_get(e->json, "examples"), "valid");
    json_t       *m = json_object(), *list = json_array(), *ref = json_object(), *one;
    size_t        i;

    put_text(m, "name", e->type);
    put_text(m, "title", e->type);
    put_text(m, "summary", description_of(e->json));
    if (e->upcast_to != NULL)
        put_text(m, "description",
                 text("Superseded by %s: events of this version are in the log, new ones are not "
                      "made.",
                      e->upcast_to->type));
    if (e->forgets)
        put_text(
            m, "description",
            "Who the stream is of is forgotten: the key of its personal members is deleted, and "
            "they open no more in any event. Whoever has copied them deletes them now.");
    put_text(m, "contentType", "application/json");
    put_text(ref, "$ref", "#/components/schemas/headers");
    put(m, "headers", ref);
    put(m, "payload", plain_schema(c, json_object_get(e->json, "schema")));
    json_array_foreach(valid, i, one)
    {
        json_t *example = json_object();

        put(example, "payload", json_deep_copy(one));
        add(list, example);
    }
    if (json_array_size(list) > 0)
        put(m, "examples", list);
    else
        json_decref(list);
    return m;
}

static json_t *
operation_of(const contract *c)
{
    json_t *op = json_object(), *ref = json_object(), *tags = json_array(), *tag = json_object();

    put_text(op, "action", "send");
    put_text(ref, "$ref", text("#/channels/%s", c->module));
    put(op, "channel", ref);
    put_text(
        op, "summary",
        text("Committed events of %s, in order per partition, each at least once.", c->module));
    put_text(tag, "name", c->module);
    add(tags, tag);
    put(op, "tags", tags);
    return op;
}

static json_t *
channel_of(const contract *c)
{
    json_t *channel = json_object(), *messages = json_object();

    for (int a = 0; a < c->aggregates_count; a++)
        for (int i = 0; i < c->aggregates[a].events_count; i++) {
            const message *e = &c->aggregates[a].events[i];

            put(messages, text("%s.v%d", e->name, e->version), event_message(c, e));
        }
    put(channel, "servers", parsed("[{'$ref':'#/servers/kafka'}]"));
    put_text(channel, "address", text("shina.%s.events", c->module));
    put_text(channel, "title", c->module);
    put_text(channel, "description", description_of(c->json));
    put(channel, "messages", messages);
    return channel;
}

json_t *
asyncapi_of(contract *const *all, int count)
{
    json_t *out = json_object(), *channels = json_object(), *operations = json_object();
    json_t *components = json_object(), *schemas = json_object();

    put_text(out, "asyncapi", "3.0.0");
    put(out, "info",
        parsed("{'title':'shina events','version':'1','description':'The event streams of all "
               "domains, a topic each, partitioned as the log is, and a feed each at the edge.',"
               "'license':{'name':'Apache-2.0'}}"));
    put_text(out, "defaultContentType", "application/json");
    for (int c = 0; c < count; c++) {
        put(channels, all[c]->module, channel_of(all[c]));
        put(operations, text("%s_events", all[c]->module), operation_of(all[c]));
        put(channels, text("%s_feed", all[c]->module), feed_channel(all[c]));
        put(operations, text("%s_feed", all[c]->module), feed_sending(all[c]));
    }
    put(out, "servers", feed_servers());
    put(out, "channels", channels);
    put(out, "operations", operations);
    put(schemas, "headers", headers());
    put(schemas, "cloudEvent", cloud_event_schema());
    put(components, "schemas", schemas);
    put(components, "securitySchemes",
        parsed("{'token':{'type':'http','scheme':'bearer','bearerFormat':'JWT'}}"));
    put(out, "components", components);
    return out;
}
