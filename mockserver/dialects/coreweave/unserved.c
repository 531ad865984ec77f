/* Methods that the vendor has, as both SDKs' stubs list them, and we do not: whoever calls one is told so, and the verdict
   does not take it for an unknown route.  Apart, so that nobody else is looked up behind them. */
#include "dialects/coreweave/cw_priv.h"

#define V1(method_name)      UNSERVED("v1." method_name, &cw_wire_v1)
#define V1BETA2(method_name) UNSERVED("v1beta2." method_name, &cw_wire_v1beta2)
#define UNSERVED(name, version) \
    { \
        .method = { .path = "/coreweave.sandbox." name, .kind = RPC_UNARY }, .wire = version, .op = CW_NO_OP, \
        .handle = cw_not_supported \
    }

const struct cw_row cw_unserved_rows[] = {
    V1("VolumeService/ListVolumes"),
    V1("VolumeService/CreateVolume"),
    V1("VolumeService/DeleteVolume"),
    V1("VolumeService/GetVolume"),
    V1("VolumeService/UpdateVolume"),
    V1("VolumeService/ValidateVolume"),
    V1("SettingsService/GetFileSystemSnapshotBucketConfig"),
    V1("SettingsService/UpdateFileSystemSnapshotBucketConfig"),
    V1("SettingsService/GetBuildStorageConfig"),
    V1("SettingsService/UpdateBuildStorageConfig"),
    V1("SettingsService/GetObjectStorageWifConfig"),
    V1("SettingsService/UpdateObjectStorageWifConfig"),
    V1("SettingsService/DeleteObjectStorageWifConfig"),
    V1("SettingsService/CreateSecretStore"),
    V1("SettingsService/GetSecretStore"),
    V1("SettingsService/ListSecretStores"),
    V1("SettingsService/UpdateSecretStore"),
    V1("SettingsService/DeleteSecretStore"),
    V1("SandboxTemplateService/CreateSandboxTemplate"),
    V1("SandboxTemplateService/GetSandboxTemplate"),
    V1("SandboxTemplateService/ListSandboxTemplates"),
    V1("SandboxTemplateService/UpdateSandboxTemplate"),
    V1("SandboxTemplateService/DeleteSandboxTemplate"),
    V1BETA2("GatewayService/GetObjectStorageWIFConfig"),
    V1BETA2("GatewayService/SetObjectStorageWIFConfig"),
    V1BETA2("GatewayService/DeleteObjectStorageWIFConfig"),
    V1BETA2("SecretStoreService/CreateSecretStore"),
    V1BETA2("SecretStoreService/GetSecretStore"),
    V1BETA2("SecretStoreService/ListSecretStores"),
    V1BETA2("SecretStoreService/DeleteSecretStore"),
};
const size_t cw_unserved_row_count = sizeof cw_unserved_rows / sizeof *cw_unserved_rows;
