#!/usr/bin/env bash
# From this tree to a URL on AWS, or back to nothing.
#
#   deploy.sh deploy [-var …]    build, push, apply, and wait until the new tasks serve;
#                                IMAGE=REGISTRY/NAME@sha256:… deploys that image, also an older one, without a build
#   deploy.sh destroy [-var …]   remove everything, images included
#
# DEPLOYMENT (default: verdict) names the resources and has its own state, so several deployments can exist in one
# account. Region and account are those of the aws command. Set the variables of service/variables.tf as arguments or in
# service/terraform.tfvars. With CONFIRM=1 terraform asks before it changes anything.
set -euo pipefail
cd "$(dirname "$0")"

DEPLOYMENT=${DEPLOYMENT:-verdict}
IMAGE=${IMAGE:-}
export TF_VAR_name=$DEPLOYMENT TF_IN_AUTOMATION=1 CHECKPOINT_DISABLE=1 AWS_PAGER=""

fail() {
  echo "$1" >&2
  exit 1
}

need() {
  command -v "$1" >/dev/null || fail "$1 is not installed: $2"
}

terraform_in() { # MODULE COMMAND ARGUMENT…
  local module=$1 command=$2
  shift 2
  terraform -chdir="$module" init -input=false -lockfile=readonly >/dev/null
  terraform -chdir="$module" workspace select -or-create "$DEPLOYMENT" >/dev/null
  local approve=(-auto-approve)
  [ -z "${CONFIRM:-}" ] || approve=()
  terraform -chdir="$module" "$command" -input=false ${approve[@]+"${approve[@]}"} "$@" # bash 3 fails on an empty array otherwise
}

check_tools() {
  need terraform "it makes what the service needs (version 1.9 or newer)"
  need aws "it logs in to the registry and waits for the service"
  [ -n "${AWS_REGION:=${AWS_DEFAULT_REGION:-$(aws configure get region || true)}}" ] ||
    fail "no region: set AWS_REGION, such as AWS_REGION=eu-central-1"
  export AWS_REGION AWS_DEFAULT_REGION=$AWS_REGION # version 1 of aws reads the second
  aws sts get-caller-identity --query Account --output text >/dev/null ||
    fail "AWS does not know you: log in (aws sso login, aws configure) or set AWS_PROFILE"
}

# The architecture of the tasks, from the arguments or the variables file. Default: X86_64.
architecture() {
  local found
  found=$({ cat service/terraform.tfvars 2>/dev/null || true; printf '%s\n' "$@"; } |
    grep -oE '^ *architecture *= *"?(X86_64|ARM64)' | tail -n 1 || true)
  case $found in *ARM64) echo arm64 ;; *) echo amd64 ;; esac
}

build_and_push() { # sets IMAGE
  need docker "it builds the image; with IMAGE=REGISTRY/NAME@sha256:… nothing is built"
  docker version >/dev/null || fail "docker is installed, but no engine answers: start it or set DOCKER_HOST"
  terraform_in registry apply
  local repository revision tag
  repository=$(terraform -chdir=registry output -raw repository_url)
  revision=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unversioned)
  # Tags are immutable, so every build gets a new one. Tasks run the digest.
  tag=$revision-$(date -u +%Y%m%d%H%M%S)
  aws ecr get-login-password | docker login --username AWS --password-stdin "${repository%%/*}"
  make --no-print-directory -C ../.. image IMAGE="$repository:$tag" PLATFORM="linux/$(architecture "$@")"
  docker push "$repository:$tag"
  IMAGE=$repository@$(aws ecr describe-images --repository-name "$DEPLOYMENT" --image-ids imageTag="$tag" \
    --query 'imageDetails[0].imageDigest' --output text)
}

wait_until_steady() {
  local cluster service wanted running url
  cluster=$(terraform -chdir=service output -raw cluster)
  service=$(terraform -chdir=service output -raw service)
  wanted=$(terraform -chdir=service output -raw task_definition)
  url=$(terraform -chdir=service output -raw url)
  echo "waiting until $service is steady, ten minutes at most"
  aws ecs wait services-stable --cluster "$cluster" --services "$service" ||
    fail "not steady yet: aws ecs describe-services --cluster $cluster --services $service --query 'services[0].events[:5]'"
  # A service is also steady after a rollback, but on the previous revision.
  running=$(aws ecs describe-services --cluster "$cluster" --services "$service" \
    --query "services[0].deployments[?status=='PRIMARY'] | [0].taskDefinition" --output text)
  [ "$running" = "$wanted" ] ||
    fail "rolled back: the new tasks did not become healthy, ${running##*/} serves on. Why: aws logs tail $(terraform -chdir=service output -raw log_group) --since 15m"
  echo "$IMAGE serves at $url"
}

case ${1:-} in
deploy)
  shift
  check_tools
  [ -n "$IMAGE" ] || build_and_push "$@"
  terraform_in service apply -var "image=$IMAGE" "$@"
  wait_until_steady
  ;;
destroy)
  shift
  check_tools
  none=none/none@sha256:$(printf '0%.0s' {1..64})
  terraform_in service destroy -var "image=$none" "$@"
  aws ecs list-task-definitions --family-prefix "$DEPLOYMENT" --query 'taskDefinitionArns[]' --output text | tr '\t' '\n' |
    while read -r revision; do
      case $revision in arn:*) aws ecs deregister-task-definition --task-definition "$revision" >/dev/null ;; esac
    done
  terraform_in registry destroy
  ;;
*)
  fail "usage: deploy.sh deploy|destroy [-var NAME=VALUE …], or make deploy, make destroy"
  ;;
esac
