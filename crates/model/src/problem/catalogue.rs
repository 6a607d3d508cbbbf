//! The entries of the catalogue, in the order of their codes.
//!
//! 1000 request · 1100 who asks · 1200 deployments and kubeconfigs · 1300 records ·
//! 2000 infrastructure · 2100 the cluster and its kit · 2200 causes
//! found in a cluster. Codes from 3000 belong to the sandbox.

use super::{Problem, ProblemClass, ProblemCode};

macro_rules! problems {
    ($( $(#[$doc:meta])* $code:literal $name:ident $class:ident $slug:literal
        $title:literal $cause:literal $fix:literal; )*) => {
        impl Problem {
            $(
                #[doc = concat!("`", $slug, "`: ", $title, ".")]
                pub const $name: Problem = Problem {
                    code: ProblemCode($code),
                    class: ProblemClass::$class,
                    slug: $slug,
                    title: $title,
                    cause: $cause,
                    fix: $fix,
                };
            )*
        }
        pub(super) const ALL: &[&Problem] = &[ $( &Problem::$name ),* ];
    };
}

problems! {
    1000 BODY_MALFORMED Invalid "invalid-body"
        "The request's body cannot be read"
        "The body is not the JSON object this operation takes."
        "Send one JSON object with the fields the API description names.";
    1001 FIELD_UNKNOWN Invalid "unknown-field"
        "The request has a field nobody knows"
        "Fields that are not understood are refused rather than dropped."
        "Remove the field, or correct its spelling after the API description.";
    1002 BODY_TOO_LARGE TooLarge "request-too-large"
        "The request is too large"
        "The body is larger than this operation ever needs."
        "Send a smaller body; the API description gives each operation's limit.";
    1003 FIELD_REQUIRED Invalid "field-required"
        "A required field is missing"
        "The field is absent or blank."
        "Fill in the field that the detail names.";
    1004 FQDN_MALFORMED Invalid "invalid-fqdn"
        "The Sovereign's domain name is not a domain name"
        "A domain name has at least two labels of letters, digits and `-`, each beginning with a letter."
        "Give a name such as `sov1.example.org`.";
    1005 NAME_MALFORMED Invalid "invalid-name"
        "The Sovereign's short name cannot be used"
        "A short name is a letter and at most 14 letters, digits or `-`, all lower case."
        "Give a short name such as `sov1`, or leave it out to use the domain's first label.";
    1006 EMAIL_MALFORMED Invalid "invalid-email"
        "The e-mail address is not an e-mail address"
        "The address has no user, no host or white space in it."
        "Give an address such as `ops@example.org`.";
    1007 PROVIDER_UNKNOWN Invalid "unknown-provider"
        "The provider is not known"
        "Sovereigns are made by `sandbox`, `existing` or `hetzner`."
        "Set `provider` to one of these words.";
    1008 PROVIDER_NOT_BUILT NotImplemented "provider-not-implemented"
        "This provider cannot make Sovereigns yet"
        "Only `sandbox` is built so far."
        "Use `provider: sandbox`.";
    1009 DOMAIN_MODE_UNKNOWN Invalid "unknown-domain-mode"
        "The domain mode is not known"
        "`sovereignDomainMode` is `byo-manual`, `byo-api` or `pool`."
        "Leave the field out, or set it to `byo-manual`.";
    1010 DOMAIN_MODE_NOT_BUILT Unprocessable "domain-mode-not-supported"
        "This way of getting a domain is not offered yet"
        "Pool domains and registrars that are driven for you are not built so far."
        "Bring your own domain: leave `sovereignDomainMode` out, or set it to `byo-manual`.";
    1011 FIELD_NOT_APPLICABLE Unprocessable "field-not-applicable"
        "A field does not apply to this provider"
        "What cannot be honoured is refused rather than dropped."
        "Remove the field that the detail names, or choose the provider it belongs to.";
    1012 FIELD_TOO_LONG Invalid "field-too-long"
        "A field is too long"
        "Names and addresses are at most 254 characters."
        "Shorten the field that the detail names.";
    1013 MEDIA_UNSUPPORTED UnsupportedMedia "unsupported-media-type"
        "The request's content type is not understood"
        "This operation takes `application/json`."
        "Send the header `Content-Type: application/json`.";
    1014 QUERY_INVALID Invalid "invalid-query"
        "The query part of the address cannot be read"
        "A parameter is unknown or not of its kind."
        "Correct the parameter that the detail names.";
    1015 ROUTE_UNKNOWN NotFound "not-found"
        "There is nothing at this address"
        "The path is not one of the API's."
        "Look the path up in the API description.";
    1016 METHOD_UNKNOWN MethodNotAllowed "method-not-allowed"
        "This address does not take that method"
        "The path exists with other methods."
        "Look the path up in the API description.";
    1017 TTL_INVALID Invalid "invalid-ttl"
        "The token's time to live cannot be used"
        "A token lives between one minute and 366 days."
        "Give a time to live within these bounds.";
    1018 TIER_UNKNOWN Invalid "unknown-tier"
        "The tier is not known"
        "Tiers are `viewer`, `developer`, `operator`, `admin` and `owner`."
        "Give one of these words.";
    1019 KEY_MALFORMED Invalid "invalid-idempotency-key"
        "The request's idempotency key cannot be used"
        "`Idempotency-Key` is given once, as 1 to 255 visible ASCII characters."
        "Send one key, such as a random UUID, or leave the header out.";

    1100 UNAUTHENTICATED Unauthenticated "unauthenticated"
        "You are not signed in"
        "The request carries neither a session nor a bearer token that is valid now."
        "Open a login link (`catalyst login --link` prints one) or send `Authorization: Bearer …`.";
    1101 TIER_TOO_LOW Forbidden "tier-too-low"
        "Your tier does not allow this"
        "The operation needs a higher tier than the session or token has."
        "Ask an owner for a token of the tier that the detail names.";
    1102 LOGIN_TOKEN_REFUSED Unauthenticated "login-token-refused"
        "The login link cannot be used"
        "It was used already, has expired or never existed."
        "Ask for a new link: `catalyst login --link` on the machine that runs the mothership.";
    1103 ORIGIN_REFUSED Forbidden "origin-refused"
        "The request comes from another site"
        "A session's cookie is honoured only for requests made by the console itself."
        "Use the console at its own address, or a bearer token.";
    1104 TOKEN_UNKNOWN NotFound "token-not-found"
        "There is no such token"
        "No token has this id, or it was revoked."
        "List the tokens and take the id from there.";
    1105 TIER_ABOVE_OWN Forbidden "tier-above-own"
        "A token cannot be stronger than whoever makes it"
        "The tier asked for is above the session's own."
        "Ask for your own tier or a lower one.";
    1106 TOO_BUSY Unavailable "too-busy"
        "Too many connections are open"
        "One caller, or all together, hold as many streams or connections open as are served."
        "Close what nobody looks at, or come back in a moment.";

    1200 DEPLOYMENT_UNKNOWN NotFound "deployment-not-found"
        "There is no such deployment"
        "No deployment has this id."
        "List the deployments and take the id from there.";
    1201 FQDN_TAKEN Conflict "fqdn-in-use"
        "Another Sovereign has this domain name"
        "A domain name belongs to one Sovereign at a time."
        "Choose another domain name, or go on with the Sovereign that has it.";
    1202 NAME_TAKEN Conflict "name-in-use"
        "Another Sovereign has this short name"
        "A short name belongs to one Sovereign at a time."
        "Give another `name`.";
    1203 NO_FREE_INDEX Conflict "no-free-index"
        "This machine has no room for another Sovereign"
        "A machine carries at most sixteen sandbox Sovereigns, each with its own network."
        "Take a Sovereign down first.";
    1204 PROVISIONING_DISABLED Unavailable "provisioning-disabled"
        "Sovereigns are not made here"
        "This catalyst-api runs inside a Sovereign, where provisioning is switched off."
        "Use the mothership's console or its API.";
    1205 NOT_RETRYABLE Conflict "not-retryable"
        "There is nothing to try again"
        "Only a part that failed or ran out of time can be tried again; a component is tried again by itself."
        "Look at the deployment's state first.";
    1206 KEY_REUSED Unprocessable "idempotency-key-reused"
        "The idempotency key belongs to another request"
        "A deployment was asked for with this key and a body that says something else."
        "Send a new key with a new request, and the same body with the same key.";
    1207 KEY_UNDER_WAY Conflict "idempotency-key-under-way"
        "The first request with this idempotency key is not answered yet"
        "The same request was sent twice, and the first is still being recorded."
        "Send it again in a moment: it is then answered as the first was.";
    1210 BEARER_MISSING Unauthenticated "missing-bearer"
        "The post-back carries no bearer"
        "The node must send the bearer it was given."
        "Send `Authorization: Bearer …` with the bearer of this deployment.";
    1211 BEARER_NOT_MINTED Forbidden "no-bearer-hash"
        "This deployment expects no post-back"
        "No bearer was made for it."
        "Create the deployment anew.";
    1212 BEARER_WRONG Forbidden "invalid-bearer"
        "The bearer is not this deployment's"
        "The bearer does not match the one that was given to the node."
        "Send the bearer of this deployment.";
    1213 KUBECONFIG_ALREADY_SET Forbidden "already-set"
        "The kubeconfig was posted already"
        "A bearer is good for one post-back."
        "Nothing needs doing; to replace a cluster, create the deployment anew.";
    1214 KUBECONFIG_TOO_LARGE Unprocessable "body-too-large"
        "The kubeconfig is larger than 1 MiB"
        "A kubeconfig for one cluster takes a few KiB."
        "Post the kubeconfig of the one cluster only.";
    1215 KUBECONFIG_EMPTY Unprocessable "empty-body"
        "The kubeconfig is empty"
        "The post-back had no body."
        "Post the kubeconfig as the body.";
    1216 KUBECONFIGS_DIR_MISSING Unavailable "kubeconfigs-dir-unconfigured"
        "There is no folder for kubeconfigs"
        "`CATALYST_KUBECONFIGS_DIR` is empty."
        "Set it to a folder that only the daemon can read.";
    1217 KUBECONFIGS_DIR_UNWRITABLE Unavailable "kubeconfigs-dir-unwritable"
        "The folder for kubeconfigs cannot be made"
        "The folder's parent is missing, or the daemon may not write there."
        "Give the daemon a folder it owns.";
    1218 KUBECONFIG_WRITE_FAILED Unavailable "write-failed"
        "The kubeconfig could not be kept"
        "The disk is full or the folder is not writable."
        "Make room and let the node try again: its bearer is still good.";
    1219 BEARER_EXPIRED Forbidden "bearer-expired"
        "The bearer has expired"
        "The node took longer than the bearer lives."
        "Create the deployment anew and look at the node's log.";
    1220 KUBECONFIG_MALFORMED Unprocessable "kubeconfig-malformed"
        "The kubeconfig cannot be read"
        "It is not YAML of the form a kubeconfig has."
        "Post the file that the cluster's own tools wrote.";
    1221 KUBECONFIG_NOT_ONE_CLUSTER Unprocessable "kubeconfig-not-one-cluster"
        "The kubeconfig does not name exactly one cluster"
        "It must hold one cluster, one user and the context that joins them."
        "Post the kubeconfig of the one cluster only.";
    1222 KUBECONFIG_WRONG_HOST Unprocessable "kubeconfig-wrong-host"
        "The kubeconfig points at another host"
        "Its server is not the address this deployment's API was given."
        "Post the kubeconfig of this deployment's own cluster.";
    1223 KUBECONFIG_RUNS_PROGRAM Unprocessable "kubeconfig-plugin"
        "The kubeconfig asks for a program to be run"
        "`exec` and `auth-provider` would run a program here on another's word."
        "Post a kubeconfig with a client certificate or a token in it.";
    1224 KUBECONFIG_NAMES_FILE Unprocessable "kubeconfig-file-reference"
        "The kubeconfig refers to a file"
        "Files of the cluster's machine do not exist here, and files here are not its business."
        "Put the certificates and keys into the kubeconfig itself (`…-data`).";
    1225 KUBECONFIG_UNSAFE Unprocessable "kubeconfig-unsafe"
        "The kubeconfig weakens the connection"
        "TLS verification is switched off, a proxy is asked for or the authority is missing."
        "Post a kubeconfig with `https`, `certificate-authority-data` and nothing that weakens it.";
    1226 KUBECONFIG_NOT_YET Conflict "not-implemented"
        "The kubeconfig has not come yet"
        "The Sovereign's node has not posted it."
        "Wait until the node reports in.";
    1227 KUBECONFIG_FILE_MISSING Conflict "kubeconfig-file-missing"
        "The kubeconfig's file is gone"
        "It was kept and is no longer there, or not as it was."
        "Restore the folder of kubeconfigs from a backup.";
    1228 KUBECONFIG_UNUSABLE Unprocessable "kubeconfig-unusable"
        "Nobody can connect with the kubeconfig"
        "A certificate or key in it cannot be read, or they do not belong together."
        "Post the file that the cluster's own tools wrote, whole; the bearer is still good.";
    1230 KUBECONFIG_NEVER_CAME Failed "kubeconfig-timed-out"
        "The node never reported in"
        "The infrastructure stands, and no kubeconfig came within the time allowed."
        "Look at the node's log (`catalyst sandbox logs NAME`); the node may still report in while its bearer lives.";

    1300 STORE_LOCKED Unavailable "store-locked"
        "Another process uses these records"
        "Two daemons on one folder would overwrite each other."
        "Stop the other daemon, or give this one a folder of its own.";
    1301 STORE_UNWRITABLE Unavailable "store-unwritable"
        "The records cannot be written"
        "The folder is missing, not the daemon's own or on a file system that is read-only."
        "Give the daemon a folder that it owns and can write.";
    1302 STORE_FULL Unavailable "store-full"
        "The disk is full"
        "The file system that holds the records has no room left."
        "Make room; nothing was half-written and the request can be sent again.";
    1303 RECORD_CORRUPT Internal "record-corrupt"
        "A deployment's record is damaged"
        "Its log breaks off in the middle or its numbers do not follow each other."
        "Restore the record from a backup; the others are not affected.";
    1390 INTERNAL Internal "internal-error"
        "Something went wrong inside"
        "A fault of ours; the log has the particulars."
        "Try again, and report it with the time and the code if it stays.";

    2000 TOFU_MISSING Unavailable "tofu-missing"
        "OpenTofu is not where it should be"
        "The program `tofu` is missing or cannot be run."
        "Run `catalyst doctor`, then `make up`: it builds what is missing.";
    2001 MODULE_MISSING Unavailable "module-missing"
        "The infrastructure's module is missing"
        "The folder of the provider's OpenTofu module is not there or holds no `.tf` file."
        "Point the daemon at the module's folder, or reinstall it.";
    2002 WORKDIR_UNWRITABLE Failed "workdir-unwritable"
        "The infrastructure's folder cannot be written"
        "The disk is full, or the folder is not the daemon's own."
        "Make room or give the daemon a folder that it owns, then `catalyst sovereign retry NAME`.";
    2003 TOFU_INIT_FAILED Failed "tofu-init-failed"
        "OpenTofu could not be set up"
        "`tofu init` failed."
        "Read the lines above, remedy what they name, then `catalyst sovereign retry NAME`.";
    2004 TOFU_PLAN_FAILED Failed "tofu-plan-failed"
        "The infrastructure could not be planned"
        "`tofu plan` failed."
        "Read the lines above, remedy what they name, then `catalyst sovereign retry NAME`.";
    2005 TOFU_APPLY_FAILED Failed "tofu-apply-failed"
        "The infrastructure could not be made"
        "`tofu apply` failed at one of its resources."
        "Remedy what the resource's message names, then `catalyst sovereign retry NAME`: what stands is kept.";
    2006 TOFU_OUTPUT_INVALID Failed "tofu-output-invalid"
        "The infrastructure did not say where it is"
        "An output the module owes is missing or not of its kind."
        "Compare the module's outputs with those the daemon reads.";
    2007 TOFU_TIMED_OUT Failed "tofu-timed-out"
        "The infrastructure took too long"
        "A step of OpenTofu did not end within the time allowed."
        "Look at the last resource that was being made, then `catalyst sovereign retry NAME`.";
    2008 TOFU_STILL_RUNNING Failed "tofu-still-running"
        "An earlier OpenTofu run has not ended"
        "Processes of a run that was cut off still hold the deployment's folder."
        "Wait until they end, or end them, then `catalyst sovereign retry NAME`.";
    2009 TOFU_NOT_STARTED Failed "tofu-not-started"
        "OpenTofu could not be started"
        "The program is there and the system does not run it, or the folder has no room for its output."
        "Run `catalyst doctor`; a program of another machine or with a missing interpreter is built anew by `make up`.";
    2010 TOFU_PLAN_UNDOES Failed "tofu-plan-undoes"
        "The plan would take away what stands"
        "Nothing had failed, and the plan replaces or removes resources that a running Sovereign is made of."
        "Read what the detail names; trying again lets the plan do it.";
    2011 TOFU_SWEEP_FAILED Failed "tofu-sweep-failed"
        "What a killed run left could not be taken away"
        "The infrastructure's state was torn, and the module's own clean-up failed."
        "Remedy what the resource's message names, then `catalyst sovereign retry NAME`: the clean-up begins anew.";
    2012 BEARER_LOST Failed "bearer-file-missing"
        "The node's bearer is lost"
        "The file with the bearer that the node posts its kubeconfig with is gone, and only its hash is on record."
        "Create the deployment anew: a bearer cannot be restored.";
    2013 TOFU_TOO_OLD Unavailable "tofu-too-old"
        "OpenTofu is too old"
        "The modules use what this OpenTofu does not have."
        "Run `make up`: it builds the one that is pinned.";
    2014 KUSTOMIZE_MISSING Unavailable "kustomize-missing"
        "The program that builds the kit is missing"
        "`kustomize` is missing or cannot be run, so nobody could say what a Sovereign has to hold."
        "Run `catalyst doctor`, then `make up`: it builds what is missing.";
    2015 CATALYST_MISSING Unavailable "catalyst-missing"
        "The program that makes local Sovereigns is missing"
        "`catalyst`, which the sandbox's module calls, is missing or cannot be run."
        "Point `CATALYST_BIN` at it, or build it: `make up`.";
    2016 CREDENTIALS_MISSING Unavailable "registry-credentials-missing"
        "The registry's credentials cannot be used"
        "A Sovereign pulls its images with them, and the file is missing or not as it should be."
        "Put `registry`, `username` and `password` into the file that the detail names.";
    2017 WORKDIR_FULL Failed "workdir-full"
        "OpenTofu ran out of room"
        "The disk that holds the infrastructure's state filled while OpenTofu ran."
        "Make room, then `catalyst sovereign retry NAME`: what stands is kept.";

    2100 CLUSTER_UNREACHABLE Failed "cluster-unreachable"
        "The cluster does not answer"
        "Its API server cannot be reached with the kubeconfig the node posted."
        "Look whether the node runs (`catalyst sandbox status`); watching goes on by itself.";
    2101 FLUX_NOT_RECONCILING Failed "flux-not-reconciling"
        "Flux has not begun"
        "No release of the kit appeared within the time allowed."
        "Look at the GitRepository `openova` and the Kustomization `bootstrap-kit` in `flux-system`; watching goes on by itself.";
    2102 KIT_UNREADABLE Failed "kit-unreadable"
        "The kit cannot be read"
        "The commit that Flux fetched does not build into a set of releases."
        "Correct the kit in Git; watching goes on by itself.";
    2103 COMPONENT_FAILED Failed "component-failed"
        "A component failed"
        "The Helm controller tried and gave up."
        "Remedy what the component's message names; watching goes on by itself.";
    2104 KIT_TIMED_OUT Failed "kit-timed-out"
        "The kit was not ready in time"
        "At least one component was not healthy when the time allowed ended."
        "Look at the components that are not installed; watching goes on by itself.";
    2105 COMPONENT_UNWELL Failed "component-unwell"
        "A component is not well"
        "It was installed and is not healthy now."
        "Look at the component's message and at its workloads.";
    2106 CLUSTER_REFUSES Failed "cluster-refuses"
        "The cluster does not let us in"
        "Its API server answers, and refuses the credentials the node posted or shows a certificate of another authority."
        "Look whether the node was made anew (`catalyst sandbox status`); if so, take the Sovereign down and create it again.";
    2107 KIT_NOT_FETCHED Failed "kit-not-fetched"
        "The kit could not be fetched from Flux"
        "Flux has the kit's source, and its controller did not hand it out whole."
        "Look at the source controller in `flux-system`; watching goes on by itself.";
    2108 KIT_NOT_BUILT Failed "kit-not-built"
        "This machine could not build the kit"
        "The folder where kits are built cannot be used, or the program that builds them does not run or end."
        "Run `catalyst doctor` and make room in the daemon's folders; watching goes on by itself.";

    2200 NODE_NOT_READY Failed "node-not-ready"
        "A node is not ready"
        "Its kubelet stopped, cannot reach the API server, or reports a fault such as a missing network."
        "Look at the kubelet on that node (`catalyst sandbox logs NAME`); what runs there comes back with it.";
    2201 CONTROLLER_DOWN Failed "controller-down"
        "One of Flux's controllers is down"
        "Its Deployment is gone, scaled to zero, or its Pod does not start."
        "Bring the controller back first: without it nothing of its kind is reconciled.";
    2202 SOURCE_UNAVAILABLE Failed "source-unavailable"
        "A source cannot be fetched"
        "The address does not answer, the branch or tag does not exist, or the credentials are refused."
        "Correct what the evidence names; the source controller tries again by itself.";
    2203 KUSTOMIZATION_FAILED Failed "kustomization-failed"
        "A Kustomization does not build or does not apply"
        "A file of the commit is wrong, missing, or holds what the API server refuses."
        "Correct the file in Git; watching goes on by itself.";
    2204 VARIABLE_UNDEFINED Failed "variable-undefined"
        "A substitution variable has no value"
        "A manifest uses a variable that `postBuild` of the Kustomization does not give."
        "Give the variable a value, or a default in the manifest.";
    2205 DEPENDENCY_MISSING Failed "dependency-missing"
        "A release waits for one that does not exist"
        "`dependsOn` names a release that neither the kit nor the cluster has."
        "Correct the name in `dependsOn`, or add the release.";
    2206 DEPENDENCY_CYCLE Failed "dependency-cycle"
        "Releases wait for each other"
        "The edges of `dependsOn` lead in a circle, so none of its releases ever begins."
        "Cut one edge of the circle.";
    2207 RELEASE_STUCK Failed "release-stuck"
        "A Helm release was left half-way"
        "The controller died while it installed, and Helm's record still says that work is going on."
        "Repair the release: the stale record is removed and the install begins again.";
    2210 CHART_NOT_FOUND Failed "chart-not-found"
        "A chart version is not in its registry"
        "The version was never published, or the name is wrong."
        "Publish that version, or ask for one that is there.";
    2211 CHART_REFUSED Failed "chart-refused"
        "The registry does not hand a chart out"
        "The credentials are missing, wrong or not allowed to read it."
        "Correct the Secret that the HelmRepository names.";
    2212 CHART_UNREACHABLE Failed "chart-unreachable"
        "A chart's registry does not answer"
        "Its name does not resolve, the connection is refused or cut, or its certificate is not trusted."
        "Restore the way to the registry; the source controller tries again by itself.";
    2213 CHART_TEMPLATE_ERROR Failed "chart-template-error"
        "A chart's template does not render"
        "A template is wrong, or misses a value it needs."
        "Correct the line that the evidence names, and publish the chart again.";
    2214 CHART_VALUES_REFUSED Failed "chart-values-refused"
        "A chart's schema refuses the values"
        "A value has the wrong type or is none of those allowed."
        "Correct the value in the HelmRelease.";
    2215 KIND_UNKNOWN Failed "kind-unknown"
        "A kind is not known to the API server"
        "Its definition comes with a release that is not there yet, or with none."
        "Let what uses the kind come after the release that brings its definition (`dependsOn`).";
    2220 HOOK_FAILED Failed "hook-failed"
        "A hook of a chart failed"
        "Its Job ended with an error, so the release is not installed."
        "Remedy what its last lines name; the Helm controller tries again by itself.";
    2221 HOOK_FORBIDDEN Failed "hook-forbidden"
        "A hook may not do what it tries"
        "The Role of its ServiceAccount lacks a rule."
        "Add the rule that the evidence names to its Role.";
    2222 HOOK_WAITS Failed "hook-waits"
        "A hook waits"
        "What it waits for is not there, and the time of the release runs out."
        "Bring about what it waits for.";
    2230 REGISTRY_UNREACHABLE Failed "registry-unreachable"
        "A registry cannot be reached from the node"
        "Its name does not resolve there, the connection is refused or cut, or its certificate is not trusted."
        "Restore the way from the node to the registry, or its mirror; the kubelet tries again by itself.";
    2231 IMAGE_REFUSED Failed "image-refused"
        "The registry does not hand an image out"
        "The pull secret is missing in the namespace, or its credentials are not allowed to read the image."
        "Bring the pull secret into the namespace (`ghcr-pull` is reflected to those on its list).";
    2232 IMAGE_NOT_FOUND Failed "image-not-found"
        "An image does not exist"
        "The name or the tag is wrong, or was never pushed."
        "Push the tag, or ask for one that is there.";
    2233 CLAIM_PENDING Failed "claim-pending"
        "A claim for storage is not bound"
        "Its StorageClass does not exist, none is the default, or nothing provides the volume."
        "Give the claim a class that exists, or make one the default.";
    2234 POD_UNSCHEDULABLE Failed "pod-unschedulable"
        "No node takes a Pod"
        "It asks for more than any node has left, or for a node there is none of."
        "Ask for less, or add a node that has it.";
    2235 PODS_REFUSED Failed "pods-refused"
        "The Pods of a workload are not made"
        "The API server refuses them, such as for a missing ServiceAccount or a quota."
        "Remedy what the evidence names; the controller tries again by itself.";
    2236 REFERENCE_MISSING Failed "reference-missing"
        "A Pod waits for a Secret or ConfigMap"
        "The object, or a key of it, does not exist."
        "Make the object with that key, or correct the name.";
    2237 CONTAINER_CRASHES Failed "container-crashes"
        "A container ends again and again"
        "Its program fails; the last lines say why."
        "Remedy what the last lines name.";
    2238 PROBE_FAILS Failed "probe-fails"
        "A container runs and is not ready"
        "Its probe does not get the answer it asks for."
        "Look at the path and the port of the probe, and at the container's log.";
    2240 RELEASE_FAILED Failed "release-failed"
        "A release is not installed"
        "The Helm controller says why."
        "Remedy what the message names; the Helm controller tries again by itself.";
    2290 EVIDENCE_UNREADABLE Failed "evidence-unreadable"
        "Something cannot be read"
        "The API server does not list it, so nobody can say whether it is well."
        "Give the kubeconfig's user the right to read it, or restore its API.";
}
