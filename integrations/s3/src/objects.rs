//! The objects: files in a directory, by `s3s-fs`, which takes each key for somebody of his own. Here all keys
//! are sessions of one role, so that an upload that one began can be ended by the next.

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput,
    DeleteObjectsOutput, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    ListObjectsV2Input, ListObjectsV2Output, PutObjectInput, PutObjectOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result};
use s3s_fs::FileSystem;
use std::path::Path;

#[derive(Debug)]
pub(crate) struct Objects(FileSystem);

impl Objects {
    pub(crate) fn in_directory(root: &Path) -> Self {
        Objects(FileSystem::new(root).unwrap())
    }
}

macro_rules! for_whoever_asks {
    ($($operation:ident $input:ident $output:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Objects {
            $(
                async fn $operation(
                    &self,
                    mut request: S3Request<$input>,
                ) -> S3Result<S3Response<$output>> {
                    request.credentials = None;
                    self.0.$operation(request).await
                }
            )*
        }
    };
}

for_whoever_asks! {
    abort_multipart_upload AbortMultipartUploadInput AbortMultipartUploadOutput;
    complete_multipart_upload CompleteMultipartUploadInput CompleteMultipartUploadOutput;
    copy_object CopyObjectInput CopyObjectOutput;
    create_multipart_upload CreateMultipartUploadInput CreateMultipartUploadOutput;
    delete_object DeleteObjectInput DeleteObjectOutput;
    delete_objects DeleteObjectsInput DeleteObjectsOutput;
    get_object GetObjectInput GetObjectOutput;
    head_object HeadObjectInput HeadObjectOutput;
    list_objects_v2 ListObjectsV2Input ListObjectsV2Output;
    put_object PutObjectInput PutObjectOutput;
    upload_part UploadPartInput UploadPartOutput;
}
