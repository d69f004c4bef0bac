/* proof.c - is it proven that the delivery was handed over, and where?
 *
 * Distance: equirectangular projection about the mean latitude, on a sphere of 6371008.8 m (the
 * IUGG mean radius), so a microdegree of latitude is 111194.93 m / 10^6. The cosine comes from a
 * table per degree, interpolated; the error is below 0.02 % of the distance, far below what a
 * phone's position is worth.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/deliveries/delivery.h"

/* cos(degree) * 10^6, rounded. */
static const int32_t cosine_e6[91] = {
    1000000, 999848, 999391, 998630, 997564, 996195, 994522, 992546, 990268, 987688, 984808, 981627,
    978148,  974370, 970296, 965926, 961262, 956305, 951057, 945519, 939693, 933580, 927184, 920505,
    913545,  906308, 898794, 891007, 882948, 874620, 866025, 857167, 848048, 838671, 829038, 819152,
    809017,  798636, 788011, 777146, 766044, 754710, 743145, 731354, 719340, 707107, 694658, 681998,
    669131,  656059, 642788, 629320, 615661, 601815, 587785, 573576, 559193, 544639, 529919, 515038,
    500000,  484810, 469472, 453990, 438371, 422618, 406737, 390731, 374607, 358368, 342020, 325568,
    309017,  292372, 275637, 258819, 241922, 224951, 207912, 190809, 173648, 156434, 139173, 121869,
    104528,  87156,  69756,  52336,  34899,  17452,  0,
};

static int64_t
cosine_of(int64_t lat_e6)
{
    int64_t at = lat_e6 < 0 ? -lat_e6 : lat_e6;
    int64_t degree = at / 1000000, rest = at % 1000000;

    if (degree >= 90)
        return 0;
    return cosine_e6[degree] + (cosine_e6[degree + 1] - cosine_e6[degree]) * rest / 1000000;
}

/* Largest n with n * n <= square. */
static int64_t
root(uint64_t square)
{
    uint64_t low = 0, high = UINT32_MAX;

    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;

        if (middle * middle <= square)
            low = middle;
        else
            high = middle - 1;
    }
    return (int64_t)low;
}

int64_t
delivery_distance_m(int64_t lat1_e6, int64_t lon1_e6, int64_t lat2_e6, int64_t lon2_e6)
{
    const int64_t mm_per_degree = 111194927;
    int64_t       dlat = lat2_e6 - lat1_e6, dlon = lon2_e6 - lon1_e6, north_cm, east_cm;

    if (dlon > 180000000)
        dlon -= 360000000;
    if (dlon < -180000000)
        dlon += 360000000;
    north_cm = dlat * (mm_per_degree / 10) / 1000000;
    east_cm = dlon * (mm_per_degree / 10) / 1000000 * cosine_of((lat1_e6 + lat2_e6) / 2) / 1000000;
    return root((uint64_t)(north_cm * north_cm) + (uint64_t)(east_cm * east_cm)) / 100;
}

/* What the kind asks for. */
static bus_verdict
check_kind(const struct delivery *s, const struct deliveries_proof *pod, int32_t unscanned,
           bus_decision *out)
{
    switch (s->kind) {
    case DELIVERIES_KIND_DBS_TO_BUYER:
        return pod->has_code ? BUS_ACCEPTED : bus_refuse(out, DELIVERY_CODE_MISSING);
    case DELIVERIES_KIND_FBS_TO_WB:
        if (!pod->has_office_id)
            return bus_refuse(out, DELIVERY_OFFICE_MISSING);
        if (unscanned > 0)
            return delivery_boxes_unscanned_refuse(
                out, &(struct delivery_boxes_unscanned_params){.count = unscanned});
        return BUS_ACCEPTED;
    case DELIVERIES_KIND_WB_TO_PVZ:
    case DELIVERIES_KIND_RETURN:
        return pod->has_photo || pod->has_signature ? BUS_ACCEPTED
                                                    : bus_refuse(out, DELIVERY_PROOF_MISSING);
    }
    BUS_UNREACHABLE();
}

bus_verdict
delivery_check_proof(const struct delivery *s, const struct deliveries_proof *pod,
                     int32_t unscanned, const bus_meta *meta, bus_decision *out)
{
    const struct deliveries_settings *rules = meta->settings;
    int64_t                           distance_m;

    if (check_kind(s, pod, unscanned, out) == BUS_REFUSED)
        return BUS_REFUSED;
    if (!pod->has_lat_e6 || !pod->has_lon_e6 || pod->has_far_reason)
        return BUS_ACCEPTED;
    distance_m = delivery_distance_m(s->lat_e6, s->lon_e6, pod->lat_e6, pod->lon_e6);
    if (distance_m > rules->proof_distance_max_m)
        return delivery_proof_far_refuse(
            out, &(struct delivery_proof_far_params){.distance_m = distance_m});
    return BUS_ACCEPTED;
}
